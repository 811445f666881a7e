//! `docs/reference/metrics.md`, from the table of metrics.

use std::fmt::Write as _;

use menshen::telemetry::{ALL, Kind, Metric, Unit};

use super::markdown::cell;

pub fn page() -> String {
    let mut page = String::from(
        "The box serves its metrics as Prometheus text at `/metrics` on `web.listen`. Times are in seconds, sizes in \
         bytes. Counters begin at 0 when the process starts; those without labels are there from the start, other \
         metrics from their first value on. [Operations](../guide/operations.md) says which ones to watch.\n\n\
         指标以 Prometheus 文本格式在 `web.listen` 的 `/metrics` 提供；时间单位为秒，大小单位为字节。\
         需要关注的指标见[运维](../zh/guide/operations.md)。\n\n\
         | metric | type | labels | meaning | 含义 |\n|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let Metric { name, labels, help, help_zh, .. } = metric;
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {} | {} |",
            kind(metric),
            labels.join(", "),
            cell(help),
            cell(help_zh)
        );
    }
    page.push_str(
        "\n## Old names 旧名称\n\nThese names are exported for one more release, with their old units and label values.\n\
         以下旧名称保留一个版本，单位与标签值不变。\n\n| old name | use | differences |\n|---|---|---|\n",
    );
    for metric in ALL {
        let Some(former) = &metric.former else { continue };
        let mut differences = Vec::new();
        if metric.kind == Kind::SecondsCounter {
            differences.push("was in microseconds".to_owned());
        }
        for (label, now, then) in former.values {
            differences.push(format!("`{label}=\"{now}\"` was `{then}`"));
        }
        let _ = writeln!(page, "| `{}` | `{}` | {} |", former.name, metric.name, differences.join("; "));
    }
    page
}

fn kind(metric: &Metric) -> String {
    let kind = metric.kind.name();
    match metric.unit {
        Unit::Count => kind.to_owned(),
        Unit::Seconds => format!("{kind}, seconds"),
        Unit::Bytes => format!("{kind}, bytes"),
        Unit::Ratio => format!("{kind}, 0-1"),
        Unit::Flag => format!("{kind}, 0 or 1"),
    }
}
