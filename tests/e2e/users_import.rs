//! `menshen users import`: a folder or a table of people, as installers have them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::testbed::{TestBed, picture};

fn import(bed: &TestBed, arguments: &[&str]) -> (bool, String) {
    let output = bed.run(&[&["users", "import"], arguments].concat());
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

fn people(bed: &TestBed) -> String {
    String::from_utf8(bed.run(&["users", "list"]).stdout).unwrap()
}

fn put(photo: &str, folder: &Path, name: impl AsRef<OsStr>) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(picture(photo), folder.join(Path::new(name.as_ref()))).unwrap();
}

#[test]
fn a_folder_is_imported_and_everything_that_is_not_is_named() {
    let bed = TestBed::standalone();
    let root = bed.folder.path().join("people");
    put("obama-1.jpg", &root, "Obama-1001-Office.jpg");
    // As Chinese Windows names files: GBK.
    put("obama-2.jpg", &root.join("night"), OsStr::from_bytes(b"\xCD\xF5\xCE\xB0-1002.JPG"));
    put("obama-1.jpg", &root, "Twin-1003-a.jpg");
    put("obama-2.jpg", &root.join("night"), "Twin-1003-b.jpg");
    std::fs::write(root.join("Broken-1004-x.jpg"), "no photo").unwrap();
    std::fs::write(root.join("IMG_2931.jpg"), "x").unwrap();
    std::fs::write(root.join("readme.txt"), "x").unwrap();
    let folder = root.to_str().unwrap();
    let (success, told) = import(&bed, &[folder, "--dry-run"]);
    assert!(
        !success && told.contains("6 in all: 2 would be enrolled, 4 refused; nothing was changed"),
        "{told}"
    );
    assert_eq!(people(&bed), "");
    let (success, told) = import(&bed, &[folder]);
    assert!(!success, "{told}");
    for part in [
        "6 in all: 2 added, 0 updated, 0 with the same photo, 4 refused",
        "Broken-1004-x.jpg: ",
        "IMG_2931.jpg: the file is not named name-id-department.jpg",
        "Twin-1003-a.jpg: id 1003 is also in night/Twin-1003-b.jpg",
        "night/Twin-1003-b.jpg: id 1003 is also in Twin-1003-a.jpg",
        "1 files are no photos: readme.txt",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let listed = people(&bed);
    assert!(listed.contains("1001\tObama") && listed.contains("1002\t王伟"), "{listed}");
    // Once more: nobody is counted as new.
    let (_, told) = import(&bed, &[folder, "--lang", "zh"]);
    assert!(told.contains("共 6 人：新增 0，更新 0，照片未变 2，未导入 4"), "{told}");
}

#[test]
fn a_table_is_imported_in_utf8_and_gbk() {
    let bed = TestBed::standalone();
    let root = bed.folder.path().join("table");
    put("obama-1.jpg", &root.join("photos"), "a.jpg");
    put("obama-2.jpg", &root, "1002.jpg");
    // 编号,姓名,部门,权限组,照片 / 1001,王伟,研发,7;8,photos\a.jpg / 1002,李娜
    let gbk = b"\xB1\xE0\xBA\xC5,\xD0\xD5\xC3\xFB,\xB2\xBF\xC3\xC5,\xC8\xA8\xCF\xDE\xD7\xE9,\xD5\xD5\xC6\xAC\r\n\
                1001,\xCD\xF5\xCE\xB0,\xD1\xD0\xB7\xA2,7;8,photos\\a.jpg\r\n1002,\xC0\xEE\xC4\xC8,,,\r\n1003,x,,,\r\n";
    let table = root.join("people.csv");
    std::fs::write(&table, gbk).unwrap();
    let (success, told) = import(&bed, &[table.to_str().unwrap()]);
    assert!(!success && told.contains("3 in all: 2 added"), "{told}");
    assert!(told.contains("line 4: 1003: there is no photo 1003.jpg beside the table"), "{told}");
    let listed = people(&bed);
    assert!(listed.contains("1001\t王伟\t7,8") && listed.contains("1002\t李娜\t0"), "{listed}");
    let english = "\u{feff}id;name;groups\n1002;Li Na;9\n";
    std::fs::write(&table, english).unwrap();
    let (success, told) = import(&bed, &[table.to_str().unwrap()]);
    assert!(
        success && told.contains("1 in all: 0 added, 0 updated, 1 with the same photo, 0 refused"),
        "{told}"
    );
    assert!(people(&bed).contains("1002\tLi Na\t9"));
    let (success, told) = import(&bed, &["people.xlsx"]);
    assert!(!success && told.contains("there is no folder or table people.xlsx"), "{told}");
    std::fs::write(root.join("people.xlsx"), "PK").unwrap();
    let (_, told) = import(&bed, &[root.join("people.xlsx").to_str().unwrap()]);
    assert!(told.contains("save a workbook (.xlsx) as CSV"), "{told}");
}
