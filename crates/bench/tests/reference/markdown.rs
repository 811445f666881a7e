//! Texts as Markdown shows them.

/// Text that Markdown shows as it is: what is not in backquotes could be taken for HTML or emphasis.
pub fn plain(text: &str) -> String {
    let escaped = |part: &str| part.replace('<', "\\<").replace('*', "\\*").replace('[', "\\[");
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 0 { escaped(part) } else { format!("`{part}`") });
    parts.collect()
}

/// The same for a cell of a table.
pub fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Code for a cell of a table.
pub fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}
