//! The fields of a line of the log as text: `key=value`, where a value is one word or stands in quotes, so that nothing in it looks like
//! a field of its own.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use menshen_domain::visible::{is_hidden, one_line};

/// Writes the message as it is, and each value so that it ends where it ends.
pub struct QuotedFields;

impl<'writer> FormatFields<'writer> for QuotedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.write_char(' ')?;
        }
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        match (name, self.writer.has_ansi_escapes()) {
            ("message", _) => self.writer.write_str(value),
            (name, false) => write!(self.writer, "{name}={value}"),
            // The name in italics, the sign dimmed.
            (name, true) => write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
        }
    }

    fn record(&mut self, field: &Field, value: &str) {
        // Those of the `log` crate, which the line begins with.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.write(field, value);
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record(field, &one_line(value));
        } else {
            self.record(field, &format!("{value:?}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.record(field, &one_line(&value));
        } else if is_word(&value) || is_literal(&value) {
            self.record(field, &value);
        } else {
            self.record(field, &format!("{value:?}"));
        }
    }
}

/// Whether a value needs no quotes.
fn is_word(value: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '"' | '=') || is_hidden(c);
    !value.is_empty() && !value.contains(is_odd)
}

/// Whether a value is a text in quotes already, as `{:?}` writes one.
fn is_literal(value: &str) -> bool {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut is_escaped = false;
    for c in inside.chars() {
        if is_hidden(c) || c == '"' && !is_escaped {
            return false;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    // The last quote is the end, and no part of the text.
    !is_escaped
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of the lines that `work` logs.
    fn written(work: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(QuotedFields)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        let forged = "cam1 state=ok peer=10.0.0.1";
        let text = written(|| {
            tracing::info!(name = %forged, n = 7, is = true, peer = %"10.0.0.9", "a message: with blanks");
            tracing::info!(name = forged, quoted = %"say \"x\" y", path = ?Path::new("/a b"), empty = %"");
            tracing::info!(cut = %"\"a\" b=\"c\"", end = %"\"a\\\"", line = %"a\nINFO b", sign = %"a=b", 名称 = %"张三");
        });
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "INFO a message: with blanks name=\"cam1 state=ok peer=10.0.0.1\" n=7 is=true peer=10.0.0.9",
                "INFO name=\"cam1 state=ok peer=10.0.0.1\" quoted=\"say \\\"x\\\" y\" path=\"/a b\" empty=\"\"",
                "INFO cut=\"\\\"a\\\" b=\\\"c\\\"\" end=\"\\\"a\\\\\\\"\" line=\"a\\nINFO b\" sign=\"a=b\" 名称=张三",
            ]
        );
    }

    #[test]
    fn spans_are_written_the_same_way() {
        let text = written(|| {
            let span = tracing::info_span!("call", name = %"x y=z");
            let _in = span.enter();
            tracing::info!("done");
        });
        assert!(text.contains("call{name=\"x y=z\"}: done"), "{text}");
    }

    /// Reads fields back: whatever a value was, there are as many fields as were written.
    fn fields(line: &str) -> usize {
        let (mut count, mut is_quoted, mut is_escaped) = (0, false, false);
        for c in line.chars() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                '=' if !is_quoted => count += 1,
                _ => {}
            }
        }
        count
    }

    proptest::proptest! {
        #[test]
        fn no_value_looks_like_two_fields(value in "[a-c=\"\\\\ \n张\u{1b}]{0,12}") {
            let text = written(|| tracing::info!(one = %value, two = ?value, three = value.as_str(), "message"));
            assert_eq!(fields(text.trim_end()), 3, "{text}");
            assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        }
    }
}
