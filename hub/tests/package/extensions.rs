//! Extensions of the tar format, which readers disagree on.

use flyte_registration_fixtures::builder::package;
use flyte_registration_hub::package::{PackageError, What};

use super::{
    archive::{a_task, raw, refused, tar_of, what},
    plan_all,
};

#[test]
fn long_names_of_gnu_and_pax() {
    let name = format!("0_{}_1.pb", "x".repeat(300));
    // The builder writes GNU's form.
    let plan = plan_all(&package([(name.as_str(), a_task())])).unwrap();
    assert_eq!(plan.entities[0].id.name, "a");

    let path = format!("path={name}\n");
    let length = (path.len() + 4).to_string();
    let line = format!("{length} {path}mtime");
    let line = line.trim_end_matches("mtime").to_owned() + "30 mtime=1700000000.123456789\n";
    let members = [
        raw(tar::EntryType::XHeader, b"././@PaxHeader", line.as_bytes()),
        raw(tar::EntryType::Regular, b"0_xxx", &a_task()),
    ];
    let plan = plan_all(&tar_of(&members)).unwrap();
    assert_eq!(plan.entities[0].id.name, "a");
}

#[test]
fn names_in_extensions_are_checked_too() {
    for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader] {
        let content: &[u8] = match kind {
            tar::EntryType::XHeader => b"23 path=../../0_a_1.pb\n",
            _ => b"../../0_a_1.pb\0",
        };
        let members = [
            raw(kind, b"x", content),
            raw(tar::EntryType::Regular, b"0_a_1.pb", &a_task()),
        ];
        let found = what(&tar_of(&members));
        assert_eq!(
            found,
            ("../../0_a_1.pb".to_owned(), What::Escapes),
            "{kind:?}"
        );
    }
    let long = vec![b'x'; 2000];
    let members = [
        raw(tar::EntryType::GNULongName, b"x", &long),
        raw(tar::EntryType::Regular, b"0_a_1.pb", &a_task()),
    ];
    assert_eq!(what(&tar_of(&members)).1, What::LongName(1024));
}

#[test]
fn extensions_that_readers_disagree_on() {
    for line in [
        &b"11 size=10\n"[..],
        b"22 GNU.sparse.major=1\n",
        b"nonsense\n",
        b"12 path=a_1\n12 path=b_1\n",
    ] {
        let members = [
            raw(tar::EntryType::XHeader, b"x", line),
            raw(tar::EntryType::Regular, b"0_a_1.pb", &a_task()),
        ];
        assert_eq!(what(&tar_of(&members)).1, What::Extension);
    }
    let huge = raw(tar::EntryType::GNULongName, b"x", &vec![b'x'; 100_000]);
    assert_eq!(what(&tar_of(&[huge])).1, What::Extension);
}

#[test]
fn one_extension_for_each_file() {
    let long = || raw(tar::EntryType::GNULongName, b"x", b"0_a_1.pb\0");
    let pax = || raw(tar::EntryType::XHeader, b"x", b"17 path=1_a_1.pb\n");
    let file = || raw(tar::EntryType::Regular, b"2_a_1.pb", &a_task());
    for members in [
        [long(), long(), file()],
        [pax(), pax(), file()],
        [long(), pax(), file()],
        [pax(), long(), file()],
    ] {
        assert_eq!(what(&tar_of(&members)), ("x".to_owned(), What::Extension));
    }
}

#[test]
fn an_extension_without_a_file_is_damage() {
    let time = b"22 mtime=1700000000.5\n";
    for extension in [
        raw(tar::EntryType::GNULongName, b"x", b"0_a_1.pb\0"),
        raw(tar::EntryType::XHeader, b"x", time),
    ] {
        assert!(matches!(
            refused(&tar_of(std::slice::from_ref(&extension))),
            PackageError::NotTar
        ));
        let file = raw(tar::EntryType::Regular, b"0_a_1.pb", &a_task());
        let error = refused(&tar_of(&[file, extension]));
        assert!(matches!(error, PackageError::Damaged { .. }), "{error:?}");
    }
}
