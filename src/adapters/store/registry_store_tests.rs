//! Finding, paging, wiping, and a disk that is full.

use super::*;
use crate::adapters::store::fixture::{Opened, SmallDisk, person};
use crate::ports::store::Keys as _;

#[test]
fn people_are_found_by_id_and_listed_whole_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let store = Opened::new(folder.path()).registry;
    let ids: Vec<_> = (0..50).map(|i| format!("id-{i}")).collect();
    store.put(&ids.iter().map(|id| person(id, "p.img")).collect::<Vec<_>>()).unwrap();
    assert_eq!(store.get("id-7").unwrap().unwrap().name, "name of id-7");
    assert_eq!(store.get("id-77").unwrap(), None);
    let mut listed: Vec<String> = Vec::new();
    loop {
        let page = store.page(listed.last().map(String::as_str), 7).unwrap();
        let Some(last) = page.last() else { break };
        // Whoever the page ended with may be gone when the next is asked for.
        store.delete(std::slice::from_ref(&last.id)).unwrap();
        listed.extend(page.into_iter().map(|person| person.id));
    }
    assert_ne!(listed, ids, "the order tells nothing of the ids");
    listed.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(store.count().unwrap(), 50 - 8);
}

#[test]
fn replacing_and_deleting_give_the_old_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = Opened::new(folder.path()).registry;
    assert!(store.put(&[person("1", "a.img")]).unwrap().is_empty());
    assert_eq!(store.put(&[person("1", "b.img")]).unwrap(), [person("1", "a.img")]);
    assert_eq!(store.delete(&["2".into(), "1".into()]).unwrap(), [person("1", "b.img")]);
}

#[test]
fn a_wipe_leaves_the_groups() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Opened::new(folder.path());
    opened.registry.put(&[person("1", "a.img")]).unwrap();
    let group = PermissionGroup { name: "研发部".into(), ..PermissionGroup::undescribed("7".into()) };
    opened.registry.set_permission_groups(std::slice::from_ref(&group)).unwrap();
    let visitors =
        RegistryGroup { description: "一楼".into(), ..RegistryGroup::undescribed("访客".into()) };
    opened.registry.set_registry_groups(std::slice::from_ref(&visitors)).unwrap();
    opened.vault.destroy(Namespace::Registry).unwrap();
    assert_eq!(opened.registry.get("1").unwrap(), None);
    assert_eq!(opened.registry.remove_wiped().unwrap(), 1);
    assert_eq!(opened.registry.permission_groups().unwrap(), [group]);
    assert_eq!(opened.registry.registry_groups().unwrap(), [visitors]);
}

#[test]
fn people_of_a_group_are_listed_in_pages_with_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = Opened::new(folder.path()).registry;
    let groups = |i: usize| match i % 3 {
        0 => vec!["default_group".to_owned()],
        1 => vec!["default_group".to_owned(), "vip".to_owned()],
        _ => Vec::new(),
    };
    let people: Vec<_> = (0..30)
        .map(|i| Person { registry_groups: groups(i), ..person(&format!("id-{i}"), "p.img") })
        .collect();
    store.put(&people).unwrap();
    for (group, count) in [("default_group", 20), ("vip", 10), ("none", 0)] {
        let mut listed = std::collections::BTreeSet::new();
        for skip in (0..count + 4).step_by(4) {
            let (total, page) = store.page_of_group(group, skip, 4).unwrap();
            assert_eq!(
                (total, page.len()),
                (count as u64, count.saturating_sub(skip).min(4)),
                "{group} {skip}"
            );
            assert!(page.iter().all(|person| person.registry_groups.iter().any(|known| known == group)));
            listed.extend(page.into_iter().map(|person| person.id));
        }
        assert_eq!(listed.len(), count, "{group}");
    }
}

#[test]
fn a_database_without_registry_groups_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Opened::new(folder.path()).registry;
    store.file.write(|transaction| Ok(transaction.delete_table(REGISTRY_GROUPS.rows)?)).unwrap();
    assert!(store.registry_groups().unwrap().is_empty());
}

/// The real thing: redb hits the end of the disk, and must come back without a restart.
#[test]
fn a_full_disk_is_told_and_heals_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let opened = Opened::new(disk.path());
    let store = &opened.registry;
    store.put(&[person("kept", "p.img")]).unwrap();
    let filler = disk.fill();
    let mut number = 0;
    let mut grow = || {
        number += 1;
        let mut person = person(&format!("more-{number}"), "p.img");
        person.info.insert("much".into(), "x".repeat(100_000).into());
        store.put(&[person])
    };
    let error = (0..200).find_map(|_| grow().err()).expect("the disk is full at some time");
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(opened.status.facts().full.contains("registry"));
    assert_eq!(store.get("kept").unwrap().unwrap().id, "kept", "reading goes on");
    let again = grow();
    assert!(matches!(again, Err(StoreError::DiskFull { .. })), "and is told again: {again:?}");
    std::fs::remove_file(filler).unwrap();
    grow().expect("healed without a restart");
    assert!(opened.status.facts().full.is_empty());
    assert_eq!(store.get("kept").unwrap().unwrap().id, "kept");
    store.delete(&["kept".into()]).unwrap();
}

#[test]
fn growth_stops_before_the_disk_is_quite_full_and_deleting_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Opened::new(folder.path()).vault;
    let space = DiskSpace::new(folder.path(), u64::MAX, Arc::default());
    let (store, _) = RedbRegistryStore::open(folder.path(), vault, space).unwrap();
    assert!(matches!(store.put(&[person("1", "p.img")]), Err(StoreError::DiskFull { .. })));
    assert!(store.file.space().status().facts().full.contains("registry"));
    assert!(store.delete(&["1".into()]).unwrap().is_empty());
}
