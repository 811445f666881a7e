//! `docs/reference/configuration.md`, from the commented files an installer edits.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::markdown::{cell, code, plain};

/// Keys of a pipeline file.
const PIPELINE_KEYS: &[(&str, &str)] = &[
    ("description", "what it is, in a few words 简短说明"),
    (
        "source",
        "`gstreamer` (the default): a `launch`; `push`: the device sends photos itself; `snapshot`: it is asked for one picture after the other 画面来源",
    ),
    (
        "live",
        "true: a stream that ends has failed and is opened again; false: a file, which ends 实时流结束即视为故障并重连",
    ),
    (
        "silence_timeout_ms",
        "without a frame for this long the stream counts as frozen and is opened again 无画面超时（毫秒）",
    ),
    (
        "encoded",
        "true: pictures leave as they came, not decoded; for a pipeline that another one opens 输出未解码的画面",
    ),
    (
        "launch",
        "GStreamer description; it ends in an appsink named `frames` GStreamer 描述，末端为名为 `frames` 的 appsink",
    ),
    ("parameters.NAME.description", "what the value means 含义"),
    ("parameters.NAME.kind", "`url`, `path`, `device`, `integer` or `choice` 类型"),
    ("parameters.NAME.schemes", "schemes a `url` may have 允许的协议"),
    ("parameters.NAME.choices", "values of a `choice` 可选值"),
    ("parameters.NAME.min", "least value of an `integer` 最小值"),
    ("parameters.NAME.max", "greatest value of an `integer` 最大值"),
    (
        "parameters.NAME.default",
        "used when the device does not set it; without a default it must be set 默认值，没有则必填",
    ),
    ("parameters.NAME.set", "the element and the property that take the value 写入的元素与属性"),
    (
        "parameters.NAME.thins",
        "true: the value is the greatest number of frames processed per second 值为每秒最多处理的帧数",
    ),
    (
        "parameters.NAME.opens",
        "the pipeline that is opened besides, with the value as its `url` 以该值为 `url` 另外打开的 pipeline",
    ),
];

pub fn page(repository: &Path) -> String {
    let mut page = String::from(
        "Every setting of [`config/menshen.toml`](../../config/menshen.toml) with its default. A single key can be \
         overridden by `--set KEY=VALUE` or by the environment: `MENSHEN_WEB__LISTEN` is `web.listen`. `menshen check` \
         reports every problem at once.\n\n\
         [`config/menshen.toml`](../../config/menshen.toml) 的全部配置项及默认值。单项可用 `--set KEY=VALUE` 或环境变量覆盖\
         （`MENSHEN_WEB__LISTEN` 即 `web.listen`）；`menshen check` 一次列出所有问题。\n",
    );
    settings(&mut page, &fs::read_to_string(repository.join("config/menshen.toml")).unwrap());
    page.push_str(
        "\n## Pipelines\n\nA device's `pipeline` names a file of `pipelines/`; values for its parameters are keys of the \
         device's block (`url`) or of its `parameters`. 设备的 `pipeline` 为 `pipelines/` 中的文件名，参数值写在设备的 `url` \
         或 `parameters` 中。\n\n| key of a pipeline file | meaning |\n|---|---|\n",
    );
    for (key, meaning) in PIPELINE_KEYS {
        let _ = writeln!(page, "| `{key}` | {} |", cell(meaning));
    }
    let mut files: Vec<_> =
        fs::read_dir(repository.join("pipelines")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        pipeline(&mut page, &name, &fs::read_to_string(&path).unwrap());
    }
    page
}

/// One line of a commented file.
enum Line<'a> {
    Blank,
    Comment(&'a str),
    Section(&'a str),
    Key { key: &'a str, value: &'a str, comment: &'a str },
}

/// Reads a line of TOML as these files have them: a key's whole value is on its line.
fn read(line: &str) -> Line<'_> {
    let line = line.trim_end();
    if let Some(comment) = line.strip_prefix('#') {
        return Line::Comment(comment.strip_prefix(' ').unwrap_or(comment));
    }
    if line.starts_with('[') {
        return Line::Section(line.trim_matches(['[', ']']));
    }
    let is_key = |key: &str| {
        key.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    let Some((key, rest)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) else { return Line::Blank };
    let mut quoted = false;
    let comment = rest.char_indices().find(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '#' && !quoted
    });
    let (value, comment) = comment.map_or((rest, ""), |(at, _)| (&rest[..at], rest[at + 1..].trim()));
    Line::Key { key, value: value.trim(), comment }
}

/// Both languages must be there.
fn check_meaning(key: &str, meaning: &str) {
    let is_chinese = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
    assert!(
        meaning.contains(is_chinese) && meaning.contains(|letter: char| letter.is_ascii_lowercase()),
        "{key}: its comment must say in English and in Chinese what it means: {meaning:?}"
    );
}

fn settings(page: &mut String, text: &str) {
    const TABLE: &str = "\n| key | default | meaning |\n|---|---|---|\n";
    let (head, body) = text.split_once("\n\n").unwrap();
    assert!(head.lines().all(|line| line.starts_with('#')), "the file begins with a comment about itself");
    page.push_str("\n## General 常规\n");
    page.push_str(TABLE);
    let (mut section, mut comments) = (String::new(), Vec::new());
    for block in body.split("\n\n") {
        if block.lines().any(|line| line == "# [[devices]]") {
            devices(page, block);
            continue;
        }
        for line in block.lines() {
            match read(line) {
                Line::Blank => {}
                Line::Comment(comment) => comments.push(comment),
                Line::Section(name) => {
                    assert!(comments.is_empty(), "[{name}]: comments belong below it");
                    section = format!("{name}.");
                    let _ = writeln!(page, "\n## {name}\n{}", TABLE.trim_end());
                }
                Line::Key { key, value, comment } => {
                    let meaning = format!("{} {comment}", comments.join(" "));
                    check_meaning(&format!("{section}{key}"), &meaning);
                    let _ = writeln!(page, "| `{section}{key}` | {} | {} |", code(value), cell(&meaning));
                    comments.clear();
                }
            }
        }
        assert!(comments.is_empty(), "a comment that belongs to no key: {comments:?}");
    }
}

/// The block about devices is one comment, since there are none by default.
fn devices(page: &mut String, block: &str) {
    page.push_str("\n## devices\n");
    let mut comments: Vec<&str> = Vec::new();
    let mut in_table = false;
    for line in block.lines().map(|line| line.strip_prefix("# ").unwrap_or("")) {
        match read(line) {
            Line::Key { key, value, comment } => {
                let meaning = format!("{} {comment}", comments.join(" "));
                check_meaning(&format!("devices, {key}"), &meaning);
                let _ = writeln!(page, "| `{key}` | {} | {} |", code(value), cell(&meaning));
                comments.clear();
            }
            Line::Comment(comment) => comments.push(comment),
            Line::Section(_) => {
                page.push_str("\n| key | example | meaning |\n|---|---|---|\n");
                in_table = true;
            }
            Line::Blank if line.is_empty() => {}
            Line::Blank => {
                if std::mem::take(&mut in_table) {
                    page.push('\n');
                }
                let _ = writeln!(page, "{}{}", if page.ends_with("\n\n") { "" } else { "\n" }, plain(line));
            }
        }
    }
}

fn pipeline(page: &mut String, name: &str, text: &str) {
    let value: toml::Table = text.parse().unwrap();
    let mut known: BTreeSet<&str> = PIPELINE_KEYS.iter().map(|(key, _)| *key).collect();
    known.insert("parameters");
    for key in value.keys() {
        assert!(known.contains(key.as_str()), "pipelines/{name}.toml: {key} is not in PIPELINE_KEYS");
    }
    let _ = writeln!(page, "\n### {name}\n");
    for line in text.lines().map_while(|line| line.strip_prefix('#')) {
        // What is indented is shown as it is.
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("    ") {
            let _ = writeln!(page, "\n```\n{}\n```\n", line.trim());
        } else {
            let _ = writeln!(page, "{}", plain(line));
        }
    }
    let Some(parameters) = value.get("parameters").and_then(toml::Value::as_table) else { return };
    page.push_str("\n| parameter | values | default | meaning |\n|---|---|---|---|\n");
    for (parameter, facts) in parameters {
        for key in facts.as_table().unwrap().keys() {
            let key = format!("parameters.NAME.{key}");
            assert!(known.contains(key.as_str()), "pipelines/{name}.toml: {key} is not in PIPELINE_KEYS");
        }
        let text_of = |key: &str| facts.get(key).and_then(toml::Value::as_str);
        let note = note(text, parameter);
        let stop = if note.starts_with(|letter: char| letter.is_ascii()) { "." } else { "" };
        let meaning = format!("{}{stop} {note}", text_of("description").unwrap());
        check_meaning(&format!("pipelines/{name}.toml, {parameter}"), &meaning);
        let default =
            text_of("default").map_or("(required 必填)".to_owned(), |value| code(&format!("{value:?}")));
        let _ = writeln!(page, "| `{parameter}` | {} | {default} | {} |", values(facts), cell(&meaning));
    }
}

/// The comment above a parameter.
fn note(text: &str, parameter: &str) -> String {
    let above = text.split(&format!("\n[parameters.{parameter}]\n")).next().unwrap_or_default();
    let mut lines: Vec<&str> = above.lines().rev().map_while(|line| line.strip_prefix("# ")).collect();
    lines.reverse();
    lines.join(" ")
}

fn values(facts: &toml::Value) -> String {
    let list = |key: &str| -> Vec<String> {
        let all = facts.get(key).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(toml::Value::as_str).map(code).collect()
    };
    let number = |key: &str| facts.get(key).and_then(toml::Value::as_integer);
    match (facts["kind"].as_str().unwrap(), number("min"), number("max")) {
        ("integer", Some(min), Some(max)) => format!("{min} to {max}"),
        ("choice", ..) => list("choices").join(", "),
        ("url", ..) => list("schemes")
            .iter()
            .map(|scheme| scheme.replace('`', ""))
            .map(|scheme| code(&format!("{scheme}://")))
            .collect::<Vec<_>>()
            .join(", "),
        (kind, ..) => kind.to_owned(),
    }
}
