//! Reading a TOML tree key by key, collecting every error with its place and a suggestion.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::sample::example;
use menshen_domain::secrets::mask_credentials;
use menshen_domain::text;
use menshen_domain::text::Text;
use menshen_domain::typed::{self, TypeFault, Wanted, Wrong};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: `{key}`: {problem}")]
pub struct ConfigError {
    /// `config/menshen.toml:12`, `--set`, or an environment variable.
    pub place: String,
    /// `platform.login_url`
    pub key: String,
    /// What is wrong and what to do.
    pub problem: Text,
}

/// Keys whose values are not repeated, whatever they are: passwords, tokens, what may hold one.
const SECRETS: [&str; 14] = [
    "token",
    "user",
    "password",
    "url",
    "main_url",
    "action_url",
    "net_relay_url",
    "rtmp_address",
    "dev_sno",
    "ftp_password",
    "login_url",
    "realtime_urls",
    "history_urls",
    "monitor_urls",
];

/// Where keys came from, and what was found wrong with them.
#[derive(Debug, Default)]
pub struct Findings {
    pub file: String,
    /// Key path → line, for keys of the file.
    pub lines: HashMap<String, usize>,
    /// Key path → the override that set it.
    pub overrides: BTreeMap<String, String>,
    errors: RefCell<Vec<ConfigError>>,
}

impl Findings {
    pub fn new(file: &str, lines: HashMap<String, usize>) -> Self {
        Self { file: file.to_owned(), lines, ..Self::default() }
    }

    pub fn add(&self, key: &str, problem: impl Into<Text>) {
        let error = ConfigError {
            place: self.place(key),
            key: key.to_owned(),
            problem: problem.into().map(mask_credentials),
        };
        self.errors.borrow_mut().push(error);
    }

    /// As [`add`](Self::add), placed where an enclosing key stands.
    fn add_at(&self, placed: &str, key: &str, problem: Text) {
        let problem = problem.map(mask_credentials);
        self.errors.borrow_mut().push(ConfigError {
            place: self.place(placed),
            key: key.to_owned(),
            problem,
        });
    }

    /// The override or the line that says `key`, or the nearest enclosing one.
    pub fn place(&self, key: &str) -> String {
        let mut path = key;
        loop {
            if let Some(by) = self.overrides.get(path) {
                return by.clone();
            }
            if let Some(line) = self.lines.get(path) {
                return format!("{}:{line}", self.file);
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return self.file.clone(),
            }
        }
    }

    /// Errors about `new` are placed where `old` is written.
    pub fn alias(&mut self, old: &str, new: &str) {
        if let Some(by) = self.overrides.get(old).cloned() {
            self.overrides.insert(new.to_owned(), by);
        } else if let Some(line) = self.lines.get(old).copied() {
            self.lines.insert(new.to_owned(), line);
        }
    }

    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors.into_inner()
    }
}

/// One table being read. Every key that is not taken is unknown.
pub struct Section<'a> {
    findings: &'a Findings,
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub fn root(findings: &'a Findings, table: Table) -> Self {
        Self { findings, path: String::new(), table, known: Vec::new() }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes an error about one of this section's keys.
    pub fn wrong(&self, key: &str, problem: impl Into<Text>) {
        self.findings.add(&self.key_path(key), problem);
    }

    /// The value of a key, or `None` when it is absent or of the wrong type (which is noted).
    pub fn take_opt<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take_value(key)?;
        // A number that is none (nan, inf) becomes nothing.
        let value = serde_json::to_value(value).unwrap_or_default();
        typed::read(&value).map_err(|fault| self.mistyped(key, &fault)).ok()
    }

    /// The value of a key as it is.
    fn take_value(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Notes a value of the wrong type.
    fn mistyped(&self, key: &str, fault: &TypeFault) {
        let example = example(&self.key_path(key)).filter(|_| fault.path.is_empty());
        let is_secret = SECRETS.contains(&key);
        let path: Vec<&str> = std::iter::once(key).chain(fault.path.iter().map(String::as_str)).collect();
        let problem = Text::new(|language| {
            let example = example.as_ref().map(|value| format!("{key} = {value}"));
            fault.text(language, example.as_deref(), is_secret)
        });
        self.findings.add_at(&self.key_path(key), &self.key_path(&path.join(".")), problem);
    }

    /// A table or a list of tables; of another type, which is noted, it is as if absent.
    fn take_structure<T>(
        &mut self,
        key: &'static str,
        wanted: Wanted,
        read: impl Fn(Value) -> Result<T, Value>,
    ) -> Option<T> {
        let value = self.take_value(key)?;
        read(value)
            .map_err(|other| {
                let found = typed::Found::of(&serde_json::to_value(other).unwrap_or_default());
                self.mistyped(
                    key,
                    &TypeFault { path: Vec::new(), wrong: Wrong::Type { found, wanted: wanted.clone() } },
                );
            })
            .ok()
    }

    /// The value of a key, or its default.
    pub fn take<T: DeserializeOwned>(&mut self, key: &'static str, default: T) -> T {
        self.take_opt(key).unwrap_or(default)
    }

    /// A text that may hold a password; empty when absent. A wrong value is not repeated in the text of the error.
    pub fn take_secret(&mut self, key: &'static str) -> String {
        match self.take_value(key) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.wrong(key, text!("must be a text in quotes", "应为带引号的文字"));
                String::new()
            }
        }
    }

    /// A table of texts that may hold passwords; empty when absent. As [`take_secret`](Self::take_secret).
    pub fn take_secrets(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let table = match self.take_value(key) {
            None => return BTreeMap::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.wrong(
                    key,
                    text!(
                        "must be a table of texts, as in {{ latency_ms = \"100\" }}",
                        "应为由文字组成的表，如 {{ latency_ms = \"100\" }}"
                    ),
                );
                return BTreeMap::new();
            }
        };
        let mut texts = BTreeMap::new();
        for (name, value) in table {
            match value {
                Value::String(text) => drop(texts.insert(name, text)),
                _ => self.wrong(
                    key,
                    text!("the value of `{name}` must be a text in quotes", "`{name}` 的值应为带引号的文字"),
                ),
            }
        }
        texts
    }

    /// As [`take`](Self::take), with a check; its error is noted.
    pub fn take_checked<T: DeserializeOwned, U, E: Into<Text>>(
        &mut self,
        key: &'static str,
        default: T,
        check: impl Fn(T) -> Result<U, E>,
    ) -> Option<U> {
        let value = self.take(key, default);
        check(value).map_err(|error| self.wrong(key, error)).ok()
    }

    /// A number within bounds, both included.
    pub fn take_within<T>(&mut self, key: &'static str, default: T, min: T, max: T) -> T
    where
        T: DeserializeOwned + PartialOrd + Copy + std::fmt::Display,
    {
        let value = self.take(key, default);
        if value >= min && value <= max {
            return value;
        }
        self.wrong(
            key,
            text!(
                "{value} is outside {min} to {max}; the default is {default}",
                "{value} 超出范围 {min} 到 {max}；默认值为 {default}"
            ),
        );
        default
    }

    /// Tables of a list that is still to be taken, as they are.
    pub fn peek(&self, key: &str) -> Vec<Table> {
        let list = self.table.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_table).cloned().collect()
    }

    /// A sub-table; empty when absent.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        let table = self.take_structure(key, Wanted::Table, |value| match value {
            Value::Table(table) => Ok(table),
            other => Err(other),
        });
        let table = table.unwrap_or_default();
        Section { findings: self.findings, path: self.key_path(key), table, known: Vec::new() }
    }

    /// A list of tables; empty when absent.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let list = self.take_structure(key, Wanted::List, |value| match value {
            Value::Array(list) => Ok(list),
            other => Err(other),
        });
        let path = self.key_path(key);
        let mut sections = Vec::new();
        for (index, value) in list.unwrap_or_default().into_iter().enumerate() {
            let path = format!("{path}.{index}");
            match value {
                Value::Table(table) => {
                    sections.push(Section { findings: self.findings, path, table, known: Vec::new() });
                }
                _ => self.findings.add(
                    &path,
                    text!(
                        "must be a block of its own, [[{key}]], with keys below it",
                        "应为单独的 [[{key}]] 段，其下写各参数"
                    ),
                ),
            }
        }
        sections
    }

    /// Notes every key that was not taken.
    pub fn finish(self) {
        for key in self.table.keys() {
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::osa_distance(key, known), *known))
                .min_by_key(|(distance, _)| *distance)
                // Swapped or missing letters, not another word altogether.
                .filter(|(distance, known)| *distance <= 1 + known.len() / 5);
            let known = self.known.join(", ");
            self.wrong(
                key,
                match nearest {
                    Some((_, nearest)) => {
                        text!("unknown key; did you mean `{nearest}`?", "未知的键；是否为 `{nearest}`？")
                    }
                    None => text!("unknown key; there is {known}", "未知的键；可用的有 {known}"),
                },
            );
        }
    }
}

/// Line of every key of a TOML text, by key path; `devices.0.url` for lists of tables.
pub fn key_lines(text: &str) -> HashMap<String, usize> {
    let mut lines = HashMap::new();
    let Ok(document) = toml_edit::Document::parse(text) else { return lines };
    let mut pending: Vec<(String, &dyn toml_edit::TableLike)> = vec![(String::new(), document.as_table())];
    let line_of = |span: std::ops::Range<usize>| text[..span.start].matches('\n').count() + 1;
    while let Some((prefix, table)) = pending.pop() {
        for (name, item) in table.iter() {
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            if let Some(span) = table.key(name).and_then(toml_edit::Key::span) {
                lines.insert(path.clone(), line_of(span));
            }
            if let Some(inner) = item.as_table_like() {
                pending.push((path.clone(), inner));
            }
            for (index, inner) in item.as_array_of_tables().into_iter().flatten().enumerate() {
                let path = format!("{path}.{index}");
                if let Some(span) = inner.span() {
                    lines.insert(path.clone(), line_of(span));
                }
                pending.push((path, inner));
            }
        }
    }
    lines
}

/// A key path does not fit the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathError {
    Empty,
    NoTable(String),
    NoPlace { part: String, len: usize },
}

impl From<PathError> for Text {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Empty => text!("the key is empty", "键为空"),
            PathError::NoTable(part) => {
                text!("`{part}` holds a value and has no keys inside", "`{part}` 是值，其下没有键")
            }
            PathError::NoPlace { part, len } => {
                text!("`{part}` is no place in a list of {len}", "列表只有 {len} 项，没有第 `{part}` 项")
            }
        }
    }
}

/// Sets `path` in a tree, making tables on the way; a number is a place in a list, at most one past its end.
///
/// # Errors
/// When the path leads through a value, or past the end of a list.
pub fn set_path(root: &mut Table, path: &str, value: Value) -> Result<(), PathError> {
    let mut parts: Vec<&str> = path.split('.').collect();
    let Some(last) = parts.pop().filter(|last| !last.is_empty()) else {
        return Err(PathError::Empty);
    };
    let mut place = Place::Table(root);
    for (index, part) in parts.iter().enumerate() {
        let next = parts.get(index + 1).unwrap_or(&last);
        place = place.enter(part, next.parse::<usize>().is_ok())?;
    }
    place.put(last, value)
}

enum Place<'a> {
    Table(&'a mut Table),
    List(&'a mut Vec<Value>),
}

impl<'a> Place<'a> {
    fn enter(self, part: &str, is_list: bool) -> Result<Place<'a>, PathError> {
        let empty = || if is_list { Value::Array(Vec::new()) } else { Value::Table(Table::new()) };
        let inner = match self {
            Place::Table(table) => table.entry(part).or_insert_with(empty),
            Place::List(list) => {
                let index = index_in(list, part)?;
                if index == list.len() {
                    list.push(empty());
                }
                &mut list[index]
            }
        };
        match inner {
            Value::Table(table) => Ok(Place::Table(table)),
            Value::Array(list) => Ok(Place::List(list)),
            _ => Err(PathError::NoTable(part.to_owned())),
        }
    }

    fn put(self, last: &str, value: Value) -> Result<(), PathError> {
        match self {
            Place::Table(table) => drop(table.insert(last.to_owned(), value)),
            Place::List(list) => match index_in(list, last)? {
                index if index == list.len() => list.push(value),
                index => list[index] = value,
            },
        }
        Ok(())
    }
}

fn index_in(list: &[Value], part: &str) -> Result<usize, PathError> {
    part.parse()
        .ok()
        .filter(|index| *index <= list.len())
        .ok_or_else(|| PathError::NoPlace { part: part.to_owned(), len: list.len() })
}
