//! Reading a TOML tree key by key, collecting every error with its place and a suggestion.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use menshen_domain::secrets::mask_credentials;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: `{key}`: {problem}")]
pub struct ConfigError {
    /// `config/menshen.toml:12`, `--set`, or an environment variable.
    pub place: String,
    /// `platform.login_url`
    pub key: String,
    /// What is wrong and what to do.
    pub problem: String,
}

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

    pub fn add(&self, key: &str, problem: impl Into<String>) {
        let error = ConfigError {
            place: self.place(key),
            key: key.to_owned(),
            problem: mask_credentials(&problem.into()),
        };
        self.errors.borrow_mut().push(error);
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
    pub fn wrong(&self, key: &str, problem: impl Into<String>) {
        self.findings.add(&self.key_path(key), problem);
    }

    /// The value of a key, or `None` when it is absent or of the wrong type (which is noted).
    pub fn take_opt<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.to_string();
                self.wrong(key, text.trim().to_owned());
                None
            }
        }
    }

    /// The value of a key, or its default.
    pub fn take<T: DeserializeOwned>(&mut self, key: &'static str, default: T) -> T {
        self.take_opt(key).unwrap_or(default)
    }

    /// A text that may hold a password; empty when absent. A wrong value is not repeated in the text of the error.
    pub fn take_secret(&mut self, key: &'static str) -> String {
        match self.take_opt::<Value>(key) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.wrong(key, "must be a text in quotes");
                String::new()
            }
        }
    }

    /// A table of texts that may hold passwords; empty when absent. As [`take_secret`](Self::take_secret).
    pub fn take_secrets(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let table = match self.take_opt::<Value>(key) {
            None => return BTreeMap::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.wrong(key, "must be a table of texts, as in { latency_ms = \"100\" }");
                return BTreeMap::new();
            }
        };
        let mut texts = BTreeMap::new();
        for (name, value) in table {
            match value {
                Value::String(text) => drop(texts.insert(name, text)),
                _ => self.wrong(key, format!("the value of `{name}` must be a text in quotes")),
            }
        }
        texts
    }

    /// As [`take`](Self::take), with a check; its error is noted.
    pub fn take_checked<T: DeserializeOwned, U, E: Display>(
        &mut self,
        key: &'static str,
        default: T,
        check: impl Fn(T) -> Result<U, E>,
    ) -> Option<U> {
        let value = self.take(key, default);
        check(value).map_err(|error| self.wrong(key, error.to_string())).ok()
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
        self.wrong(key, format!("{value} is outside {min} to {max}; the default is {default}"));
        default
    }

    /// Tables of a list that is still to be taken, as they are.
    pub fn peek(&self, key: &str) -> Vec<Table> {
        let list = self.table.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_table).cloned().collect()
    }

    /// A sub-table; empty when absent.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        let table = self.take(key, Table::new());
        Section { findings: self.findings, path: self.key_path(key), table, known: Vec::new() }
    }

    /// A list of tables; empty when absent.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let tables: Vec<Table> = self.take(key, Vec::new());
        let path = self.key_path(key);
        tables
            .into_iter()
            .enumerate()
            .map(|(index, table)| Section {
                findings: self.findings,
                path: format!("{path}.{index}"),
                table,
                known: Vec::new(),
            })
            .collect()
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
                    Some((_, nearest)) => format!("unknown key; did you mean `{nearest}`?"),
                    None => format!("unknown key; there is {known}"),
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the key is empty")]
    Empty,
    #[error("`{0}` holds a value and has no keys inside")]
    NoTable(String),
    #[error("`{part}` is no place in a list of {len}")]
    NoPlace { part: String, len: usize },
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
