use std::io::{self, Read};

use flyte_registration_crd::Reason;
use flyte_registration_fixtures::{
    builder::{gzip, package, task},
    packages::ETL,
};
use flyte_registration_hub::package::{Limits, PackageError, What, read};
use proptest::prelude::*;
use prost::Message;

use super::{plan_all, read_default};

pub fn refused(package: &[u8]) -> PackageError {
    read_default(package).unwrap_err()
}

pub fn what(package: &[u8]) -> (String, What) {
    match refused(package) {
        PackageError::Problems(problems) => {
            assert_eq!(problems.len(), 1);
            let problem = problems.into_iter().next().unwrap();
            (problem.file, problem.what)
        }
        other => panic!("{other:?}"),
    }
}

/// One tar header, with the fields set as they are, and the content behind it.
pub fn raw(kind: tar::EntryType, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn tar_of(members: &[Vec<u8>]) -> Vec<u8> {
    gzip(&[members.concat(), vec![0; 1024]].concat())
}

pub fn a_task() -> Vec<u8> {
    task("a").encode_to_vec()
}

#[test]
fn not_gzip() {
    for bytes in [&b""[..], b"PK\x03\x04 a zip", &[0; 4096], b"\x1f"] {
        let error = refused(bytes);
        assert!(matches!(error, PackageError::NotGzip), "{error:?}");
        assert_eq!(error.reason(), Reason::PackageInvalid);
    }
}

#[test]
fn not_tar() {
    let error = refused(&gzip(
        &b"just some text, longer than a block of tar ".repeat(100),
    ));
    assert!(matches!(error, PackageError::NotTar), "{error:?}");
    let error = refused(&gzip(b"short"));
    assert!(matches!(error, PackageError::NotTar), "{error:?}");
}

#[test]
fn empty() {
    for bytes in [&b""[..], &[0; 1024]] {
        assert!(matches!(refused(&gzip(bytes)), PackageError::Empty));
    }
}

#[test]
fn paths_that_lead_elsewhere() {
    for name in [
        &b"../0_a_1.pb"[..],
        b"/etc/0_a_1.pb",
        b"x/../../0_a_1.pb",
        b"..\\0_a_1.pb",
    ] {
        let found = what(&tar_of(&[raw(tar::EntryType::Regular, name, &a_task())]));
        assert_eq!(
            found,
            (String::from_utf8(name.to_vec()).unwrap(), What::Escapes)
        );
    }
    let found = what(&tar_of(&[raw(
        tar::EntryType::Regular,
        b"./0_a_1.pb",
        &a_task(),
    )]));
    assert_eq!(found, ("./0_a_1.pb".to_owned(), What::Nested));
}

#[test]
fn members_that_are_no_files() {
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Char,
        tar::EntryType::Block,
        tar::EntryType::Fifo,
        tar::EntryType::Directory,
        tar::EntryType::Continuous,
        tar::EntryType::GNUSparse,
        tar::EntryType::GNULongLink,
        tar::EntryType::XGlobalHeader,
    ] {
        let found = what(&tar_of(&[raw(kind, b"0_a_1.pb", b"")]));
        assert_eq!(found, ("0_a_1.pb".to_owned(), What::NotRegular), "{kind:?}");
    }
}

#[test]
fn duplicates_and_unknown_files() {
    let two = package([("0_a_1.pb", a_task()), ("0_a_1.pb", a_task())]);
    assert_eq!(what(&two), ("0_a_1.pb".to_owned(), What::Duplicate));
    for name in ["README.md", "0_a_4.pb", "0_a.pb", "fast.zip"] {
        let found = what(&package([(name, a_task())]));
        assert_eq!(found, (name.to_owned(), What::Unknown));
    }
}

#[test]
fn more_than_one_archive_of_code() {
    let code = || gzip(b"code");
    let two = package([("fast1.tar.gz", code()), ("fast2.tar.gz", code())]);
    let second = What::SecondFast("fast1.tar.gz".to_owned());
    assert_eq!(what(&two), ("fast2.tar.gz".to_owned(), second));
    let same = package([("fast1.tar.gz", code()), ("fast1.tar.gz", code())]);
    assert_eq!(what(&same), ("fast1.tar.gz".to_owned(), What::Duplicate));
}

#[test]
fn damage_names_the_last_file_seen() {
    for length in 20..ETL.len() {
        let error = refused(&ETL[..length]);
        let named = match &error {
            PackageError::Damaged { .. } => true,
            // Too little to inflate a first byte.
            PackageError::NotGzip => length < 200,
            _ => false,
        };
        assert!(named, "{length}: {error:?}");
        assert_eq!(error.reason(), Reason::PackageInvalid);
    }
    let mut flipped = ETL.to_vec();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    insta::assert_snapshot!(refused(&flipped));
    insta::assert_snapshot!(refused(&ETL[..ETL.len() / 2]));
}

#[test]
fn nothing_hides_behind_the_archive() {
    let mut bytes = raw(tar::EntryType::Regular, b"0_a_1.pb", &a_task());
    bytes.extend_from_slice(&[0; 1024]);
    bytes.extend_from_slice(&raw(tar::EntryType::Regular, b"1_b_1.pb", &a_task()));
    assert!(matches!(
        refused(&gzip(&bytes)),
        PackageError::Damaged { .. }
    ));
}

#[test]
fn limits() {
    let two = package([
        ("0_a_1.pb", a_task()),
        ("1_b_1.pb", task("b").encode_to_vec()),
    ]);
    let limit = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(&*two, &limits).unwrap_err()
    };
    let too_many = limit(|limits| limits.files = 1);
    assert_eq!(too_many.reason(), Reason::PackageTooLarge);
    insta::assert_snapshot!(too_many);
    let too_large = limit(|limits| limits.unpacked_bytes = 1200);
    assert_eq!(too_large.reason(), Reason::PackageTooLarge);
    insta::assert_snapshot!(too_large);
    let entity = limit(|limits| limits.entity_bytes = 3);
    assert_eq!(entity.reason(), Reason::PackageTooLarge);
    insta::assert_snapshot!(entity);
    let name = limit(|limits| limits.name_bytes = 7);
    assert_eq!(name.reason(), Reason::PackageTooLarge);
    insta::assert_snapshot!(name);
}

/// Ten gigabytes of zeros, compressed as they are read.
fn zeros(header: Vec<u8>) -> impl Read {
    let zeros = io::repeat(0).take(10 << 30);
    flate2::read::GzEncoder::new(
        io::Cursor::new(header).chain(zeros),
        flate2::Compression::fast(),
    )
}

#[test]
fn ten_gigabytes_of_zeros() {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..8].copy_from_slice(b"0_a_1.pb");
    header.set_size(10 << 30);
    header.set_cksum();
    let header = header.as_bytes().to_vec();
    let error = read(zeros(header.clone()), &Limits::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageTooLarge);
    assert!(error.to_string().starts_with("0_a_1.pb: "), "{error}");

    // As the code of a fast package, which is not kept, and as nothing but zeros.
    let fast = raw_named(&header, b"fast1.tar.gz");
    let error = read(zeros(fast), &Limits::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageTooLarge);
    assert!(error.to_string().starts_with("fast1.tar.gz: "), "{error}");
    let error = read(zeros(Vec::new()), &Limits::default()).unwrap_err();
    assert!(matches!(error, PackageError::TooLarge { .. }), "{error:?}");
}

fn raw_named(header: &[u8], name: &[u8]) -> Vec<u8> {
    let mut copy = tar::Header::new_gnu();
    copy.as_mut_bytes().copy_from_slice(header);
    copy.as_old_mut().name[..name.len()].copy_from_slice(name);
    copy.set_cksum();
    copy.as_bytes().to_vec()
}

#[test]
fn a_failing_disk_is_not_the_packages_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::PermissionDenied))
        }
    }
    for good in [0, 100, 1000] {
        let error = read((&ETL[..good]).chain(Broken), &Limits::default()).unwrap_err();
        assert_eq!(error.reason(), Reason::SourceUnavailable, "{error:?}");
    }
}

#[test]
fn foreign_text_is_shown_harmlessly() {
    let name = format!("\u{1b}[31m{}_9.pb", "x".repeat(900));
    let message = refused(&package([(name.as_str(), vec![])])).to_string();
    assert!(!message.contains('\u{1b}'));
    assert!(message.len() < 400, "{message}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read_default(&bytes).is_err());
        // What is behind gzip gets further.
        let _ = read_default(&gzip(&bytes));
    }

    #[test]
    fn no_change_of_an_archive_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(ETL).read_to_end(&mut tar).unwrap();
        for (at, byte) in changes {
            // Mostly in the first headers, where most is decided.
            let at = at.index(tar.len().min(2048));
            tar[at] = byte;
        }
        tar.truncate(cut.index(tar.len()) + 1);
        let _ = plan_all(&gzip(&tar));
    }
}
