//! People of a table: CSV as spreadsheets write it, in UTF-8, GBK or UTF-16, with commas, semicolons or tabs.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use encoding_rs::{Encoding, GBK};
use serde_json::Value;

use super::person_file::{Found, PersonFile, id_fault, shown};
use crate::cli::language::said;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;

/// What a column means, by its names.
const COLUMNS: [(Column, &[&str]); 6] = [
    (Column::Id, &["id", "编号", "工号", "人员编号", "学号", "identity_id"]),
    (Column::Name, &["name", "姓名", "名字"]),
    (Column::Department, &["department", "部门", "班级"]),
    (Column::Groups, &["groups", "group", "permission_ids", "permission_groups", "权限组", "权限"]),
    (Column::Kind, &["type", "类型", "人员类型"]),
    (Column::Photo, &["photo", "照片", "图片", "照片文件"]),
];

/// Endings of a photo that the table does not name.
const ENDINGS: [&str; 8] = ["jpg", "JPG", "jpeg", "png", "PNG", "webp", "bmp", "JPEG"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Id,
    Name,
    Department,
    Groups,
    Kind,
    Photo,
    /// Kept with the person under this name.
    Other(String),
}

impl Column {
    fn of(header: &str) -> Self {
        let header = header.trim();
        let known =
            COLUMNS.iter().find(|(_, names)| names.iter().any(|name| header.eq_ignore_ascii_case(name)));
        known.map_or_else(|| Self::Other(header.to_owned()), |(column, _)| column.clone())
    }
}

/// Why a table cannot be read at all, in words.
pub type TableError = String;

/// Everybody of a table.
///
/// # Errors
/// When it cannot be read, or a column is missing.
pub fn read_table(path: &Path) -> Result<Found, TableError> {
    let name = shown(path);
    let bytes = std::fs::read(path)
        .map_err(|error| said!("{name} cannot be read: {error}", "{name} 无法读取：{error}"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut found = read_text(&decoded(&bytes), folder)?;
    found.refuse_twins();
    Ok(found)
}

/// By its byte order mark, else as UTF-8 where it is that, else as GBK, which spreadsheets of Chinese Windows write.
fn decoded(bytes: &[u8]) -> String {
    match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => GBK.decode_without_bom_handling(bytes).0.into_owned(),
        },
    }
}

/// The separator is the one the first line has most of.
fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: u8| first.bytes().filter(|byte| *byte == separator).count();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|separator| (count(*separator), *separator == b','))
        .unwrap_or(b',')
}

fn read_text(text: &str, folder: &Path) -> Result<Found, TableError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator(text))
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| csv_text(&error))?.clone();
    let columns: Vec<Column> = headers.iter().map(Column::of).collect();
    for (needed, names) in &COLUMNS[..2] {
        if !columns.contains(needed) {
            let (name, there) = (names[0], headers.iter().collect::<Vec<_>>().join(", "));
            let zh = names[1];
            return Err(said!(
                "the first line must name the columns, `{name}` among them; it has: {there}",
                "首行应为列名，且必须包含“{zh}”；当前为：{there}"
            ));
        }
    }
    let mut found = Found::default();
    for (index, row) in reader.records().enumerate() {
        let at = row.as_ref().ok().and_then(StringRecord::position).map(|at| at.byte() as usize);
        let number = at.map_or(index + 2, |at| line_of(text, at));
        let line = said!("line {number}", "第 {number} 行");
        match row {
            Err(error) => found.refuse(line, csv_text(&error)),
            Ok(row) if row.iter().all(str::is_empty) => {}
            Ok(row) => match person_of(&row, &columns, folder, &line) {
                Ok(person) => found.people.push(person),
                Err(why) => found.refuse(line, why),
            },
        }
    }
    Ok(found)
}

/// The line a row is on, from 1; the reader begins a row at the empty lines before it.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    let empty = text.get(at..).unwrap_or_default();
    let empty = &empty[..empty.len() - empty.trim_start_matches(['\r', '\n']).len()];
    before.matches('\n').count() + empty.matches('\n').count() + 1
}

/// The reader's words, in ours.
fn csv_text(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => said!("it is no text", "不是文本"),
        csv::ErrorKind::Io(error) => said!("it cannot be read: {error}", "无法读取：{error}"),
        _ => said!("it cannot be read as a line of a table", "无法按表格读取该行"),
    }
}

fn person_of(
    row: &StringRecord,
    columns: &[Column],
    folder: &Path,
    line: &str,
) -> Result<PersonFile, String> {
    if row.len() > columns.len() {
        let (there, named) = (row.len(), columns.len());
        return Err(said!(
            "it has {there} values for {named} columns: put a value that holds the separator in quotes",
            "有 {there} 个值，而列只有 {named} 个：含分隔符的值请加引号"
        ));
    }
    let value = |wanted: &Column| {
        columns.iter().position(|column| column == wanted).and_then(|at| row.get(at)).unwrap_or_default()
    };
    let (id, name) = (value(&Column::Id), value(&Column::Name));
    if let Some(why) = id_fault(id) {
        return Err(why);
    }
    if name.is_empty() {
        return Err(said!("{id}: the name is empty", "{id}：姓名为空"));
    }
    let photo = photo_of(value(&Column::Photo), id, folder)?;
    let place = format!("{line} ({id} {name})");
    let mut person = PersonFile::new(place, id, name, value(&Column::Department), photo);
    let groups =
        value(&Column::Groups).split([' ', ';', '|', ',', '、', '；', '，']).filter(|id| !id.is_empty());
    let groups: Vec<String> = groups.map(str::to_owned).collect();
    if !groups.is_empty() {
        person.permission_ids = groups;
    }
    person.kind = kind_of(value(&Column::Kind))?;
    for (column, text) in columns.iter().zip(row) {
        if let Column::Other(key) = column
            && !key.is_empty()
            && !text.is_empty()
        {
            person.info.insert(key.clone(), Value::from(text));
        }
    }
    Ok(person)
}

fn kind_of(text: &str) -> Result<PersonKind, String> {
    match text.to_lowercase().as_str() {
        "" | "employee" | "1" | "员工" | "内部人员" => Ok(PersonKind::Employee),
        "visitor" | "2" | "访客" => Ok(PersonKind::Visitor),
        "blacklist" | "3" | "黑名单" => Ok(PersonKind::Blacklist),
        "vip" | "5" | "贵宾" => Ok(PersonKind::Vip),
        _ => Err(said!(
            "`{text}` is no type of person; there is employee, visitor, vip, blacklist",
            "“{text}”不是人员类型；可用 employee（员工）、visitor（访客）、vip（贵宾）、blacklist（黑名单）"
        )),
    }
}

/// The photo beside the table: as it is named, else by the id.
fn photo_of(named: &str, id: &str, folder: &Path) -> Result<PathBuf, String> {
    // Spreadsheets of Windows write \ between folders.
    let candidates: Vec<PathBuf> = if named.is_empty() {
        ENDINGS.iter().map(|ending| folder.join(format!("{id}.{ending}"))).collect()
    } else {
        vec![folder.join(named), folder.join(named.replace('\\', "/")), gbk_path(folder, named)]
    };
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let wanted = if named.is_empty() { format!("{id}.jpg") } else { named.to_owned() };
        said!("{id}: there is no photo {wanted} beside the table", "{id}：表格旁没有照片 {wanted}")
    })
}

/// The file as Chinese Windows named it.
fn gbk_path(folder: &Path, named: &str) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = GBK.encode(named).0.into_owned();
    folder.join(std::ffi::OsStr::from_bytes(&bytes))
}

/// Whether a path is that of a table.
pub fn is_table(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    path.is_file() && matches!(ending.as_str(), "csv" | "txt" | "tsv")
}

/// A table is small; a photo or a workbook that was named by mistake is not.
pub fn is_too_large(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() > limits::IMPORT_TABLE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TABLE: &str = "编号,姓名,部门,权限组,照片,类型,end_time,备注\n\
                         1001,王伟,研发,7;8,wang.jpg,,2027-01-01,\"a, b\"\n\
                         1002,李娜,,,,访客,,\n\n\
                         1003,,x,,,,,\n\
                         1004,赵四,x,,nobody.jpg,,,\n\
                         1005,孙五,x,,wang.jpg,kettle,,\n\
                         1.10101E+17,周六,x,,wang.jpg,,,\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wang.jpg"), "x").unwrap();
        fs::write(folder.path().join("1002.png"), "x").unwrap();
        folder
    }

    #[test]
    fn a_table_is_read_in_every_encoding_and_with_every_separator() {
        let folder = folder();
        let utf16 = TABLE.encode_utf16().flat_map(u16::to_le_bytes);
        let forms: [(&str, Vec<u8>); 6] = [
            ("utf8", TABLE.as_bytes().to_vec()),
            ("utf8-bom", [b"\xEF\xBB\xBF", TABLE.as_bytes()].concat()),
            ("gbk", GBK.encode(TABLE).0.into_owned()),
            ("utf16", [0xFF, 0xFE].into_iter().chain(utf16).collect()),
            ("crlf", TABLE.replace('\n', "\r\n").into_bytes()),
            ("tabs", TABLE.replace("a, b", "a b").replace(',', "\t").into_bytes()),
        ];
        for (form, bytes) in forms {
            let path = folder.path().join(format!("{form}.csv"));
            fs::write(&path, bytes).unwrap();
            let found = read_table(&path).unwrap();
            let [wang, li] = &found.people[..] else { panic!("{form}: {found:?}") };
            assert_eq!((wang.id.as_str(), wang.name.as_str()), ("1001", "王伟"), "{form}");
            assert_eq!(wang.permission_ids, ["7", "8"], "{form}");
            assert_eq!(wang.info["end_time"], "2027-01-01", "{form}");
            assert_eq!(
                (li.kind, li.photo.clone()),
                (PersonKind::Visitor, folder.path().join("1002.png")),
                "{form}"
            );
            assert_eq!(li.permission_ids, ["0"]);
            let why: Vec<&str> = found.refused.iter().map(|one| one.why.as_str()).collect();
            assert_eq!(why.len(), 4, "{form}: {why:?}");
            assert!(why[0].contains("name is empty") && why[1].contains("no photo nobody.jpg"), "{why:?}");
            assert!(why[2].contains("`kettle`") && why[3].contains("shortened by a spreadsheet"), "{why:?}");
            assert_eq!(found.refused[0].place, "line 5", "{form}");
        }
    }

    #[test]
    fn what_is_no_table_is_told() {
        let folder = folder();
        for (text, expected) in [
            ("王伟,1001\n", "`id` among them; it has: 王伟, 1001"),
            ("id,department\n1,x\n", "`name` among them"),
            ("", "`id` among them"),
        ] {
            let told = read_text(text, folder.path()).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        let found =
            read_text("id;name;photo\n1;a;wang.jpg;x\n2;b;wang.jpg\n2;c;wang.jpg\n", folder.path()).unwrap();
        assert!(found.refused[0].why.contains("4 values for 3 columns"), "{found:?}");
    }
}
