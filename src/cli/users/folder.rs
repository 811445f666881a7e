//! People of a folder of photos and its subfolders: `name-id-department.jpg`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::person_file::{Found, PersonFile, id_fault, readable, shown};
use crate::cli::language::said;
use menshen_domain::limits;

/// Endings of photos that are taken.
const PHOTOS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];
/// What operating systems leave in folders.
const LITTER: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];

/// Everybody of a folder.
///
/// # Errors
/// When it cannot be read.
pub fn read_folder(folder: &Path) -> std::io::Result<Found> {
    let mut found = Found::default();
    walk(folder, folder, 0, &mut found)?;
    found.refuse_twins();
    Ok(found)
}

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Found) -> std::io::Result<()> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let place = shown(path.strip_prefix(root).unwrap_or(&path));
        let name = path.file_name().map(|name| readable(name.as_bytes())).unwrap_or_default();
        if name.starts_with('.') || LITTER.contains(&name.to_lowercase().as_str()) {
            continue;
        }
        if path.is_dir() {
            if depth >= limits::IMPORT_FOLDERS_DEEP_MAX {
                found.refuse(place, said!("too many folders inside folders", "文件夹层级过深"));
            } else if let Err(error) = walk(root, &path, depth + 1, found) {
                found.refuse(place, said!("the folder cannot be read: {error}", "文件夹无法读取：{error}"));
            }
            continue;
        }
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
        if !PHOTOS.contains(&ending.as_str()) {
            found.left_out.push(place);
            continue;
        }
        let of_folder = path.parent().filter(|parent| *parent != root).and_then(Path::file_name);
        let department = of_folder.map(|name| readable(name.as_bytes())).unwrap_or_default();
        let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
        match names_of(stem, &department) {
            Ok((name, id, department)) => {
                found.people.push(PersonFile::new(place, id, name, &department, path));
            }
            Err(why) => found.refuse(place, why),
        }
    }
    Ok(())
}

/// `name-id-department`, or `name-id`. The name may hold hyphens where there is a department; id and department may not.
fn names_of<'a>(stem: &'a str, of_folder: &str) -> Result<(&'a str, &'a str, String), String> {
    let parts: Vec<&str> = stem.rsplitn(3, '-').map(str::trim).collect();
    let (name, id, department) = match parts[..] {
        [department, id, name] => (name, id, department.to_owned()),
        [id, name] => (name, id, of_folder.to_owned()),
        _ => {
            return Err(said!(
                "the file is not named name-id-department.jpg or name-id.jpg",
                "文件名不是 姓名-编号-部门.jpg 或 姓名-编号.jpg"
            ));
        }
    };
    if name.is_empty() {
        return Err(said!("the name is empty", "姓名为空"));
    }
    id_fault(id).map_or(Ok((name, id, department)), Err)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use super::*;

    #[test]
    fn names_are_read_from_the_right() {
        for (stem, expected) in [
            ("Wang Wei-1001-R&D", Ok(("Wang Wei", "1001", "R&D"))),
            ("Jean-Luc-1002-Bridge", Ok(("Jean-Luc", "1002", "Bridge"))),
            ("王伟-1003", Ok(("王伟", "1003", "yard"))),
            (" 王伟 - 1004 - 研发 ", Ok(("王伟", "1004", "研发"))),
        ] {
            let read = names_of(stem, "yard");
            let expected =
                expected.map(|(name, id, department): (&str, &str, &str)| (name, id, department.to_owned()));
            assert_eq!(read, expected, "{stem}");
        }
        for stem in ["IMG_2931", "-1001-x", "Wang--x", ""] {
            assert!(names_of(stem, "").is_err(), "{stem}");
        }
    }

    #[test]
    fn folders_names_in_gbk_and_litter() {
        let root = tempfile::tempdir().unwrap();
        let yard = root.path().join("yard");
        fs::create_dir_all(yard.join("night")).unwrap();
        let gbk = encoding_rs::GBK.encode("王伟-1001-研发.jpg").0.into_owned();
        fs::write(root.path().join(OsStr::from_bytes(&gbk)), "x").unwrap();
        for name in [
            "Li-1002.JPG",
            "Zhao-1003.png",
            "Li2-1002.jpg",
            ".DS_Store",
            "._Li-1002.jpg",
            "Thumbs.db",
            "list.txt",
        ] {
            fs::write(yard.join(name), "x").unwrap();
        }
        fs::write(yard.join("night").join("Sun-1004.webp"), "x").unwrap();
        fs::write(root.path().join("IMG_1.jpeg"), "x").unwrap();
        let found = read_folder(root.path()).unwrap();
        let told: Vec<_> = found
            .people
            .iter()
            .map(|p| (p.id.as_str(), p.name.as_str(), p.info["department"].as_str().unwrap()))
            .collect();
        assert_eq!(told, [("1003", "Zhao", "yard"), ("1004", "Sun", "night"), ("1001", "王伟", "研发")]);
        assert_eq!(found.left_out, ["yard/list.txt"]);
        let refused: Vec<&str> = found.refused.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(refused, ["IMG_1.jpeg", "yard/Li-1002.JPG", "yard/Li2-1002.jpg"]);
    }
}
