//! Large packages, made of a real one.

use std::io::Read;

use flate2::read::GzDecoder;

use super::builder::package;

const ETL: &[u8] = include_bytes!("../fixtures/etl.tgz");

/// Entities in each copy.
pub const ENTITIES: usize = 10;

/// The ten entities of the small package `copies` times, each time under other names: of the same
/// length, so that they can be put into the encoded messages.
pub fn many(copies: usize) -> Vec<u8> {
    let mut originals = Vec::new();
    let mut tar = tar::Archive::new(GzDecoder::new(ETL));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path_bytes().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        originals.push((name, content));
    }
    let copies = (0..copies).flat_map(|number| {
        originals.iter().map(move |(name, content)| {
            let name = String::from_utf8(renamed(name, number)).unwrap();
            (name, renamed(content, number))
        })
    });
    let files: Vec<_> = copies.collect();
    package(
        files
            .iter()
            .map(|(name, content)| (name.as_str(), content.clone())),
    )
}

fn renamed(bytes: &[u8], number: usize) -> Vec<u8> {
    let bytes = replaced(bytes, b"etl.flows", format!("etl.{number:05}").as_bytes());
    replaced(&bytes, b"nightly", format!("n{number:06}").as_bytes())
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        at += 1;
    }
    bytes
}
