//! The archive: a flat, gzip-compressed tar of protobuf files.

use std::{collections::BTreeMap, io::Read};

use bytes::Bytes;

use self::{
    inflate::{Allowance, Inflate},
    name::Role,
};
use super::{Code, Limits, PackageError, Problem, What, code};

mod inflate;
mod name;

/// Largest header of extended attributes (PAX), in bytes. Python writes one line of it.
const PAX_MAX: u64 = 64 << 10;

/// The files of a package, by name: the order that `pyflyte` gave them.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(super) entities: BTreeMap<String, Bytes>,
    pub(super) code: Option<Code>,
    pub(super) limits: Limits,
}

/// Reads a package. Bytes over a limit are not kept, and end the reading.
pub fn read(source: impl Read, limits: &Limits) -> Result<Archive, PackageError> {
    let allowance = Allowance::new(limits.unpacked_bytes);
    let mut tar = tar::Archive::new(Inflate::new(source, allowance.clone()));
    let mut reader = Reader {
        archive: Archive {
            entities: BTreeMap::new(),
            code: None,
            limits: limits.clone(),
        },
        allowance,
        seen: 0,
        last: String::new(),
    };
    let outcome = reader.members(&mut tar);
    let mut inflate = tar.into_inner();
    // Reading on to the end proves gzip's checksum, and that nothing hides behind the archive.
    let outcome = outcome.and_then(|()| inflate.drain().map_err(|_| reader.damaged()));
    if let Some(cause) = inflate.failure() {
        return Err(cause.explain(reader.last, limits));
    }
    outcome?;
    if reader.archive.entities.is_empty() && reader.archive.code.is_none() {
        return Err(PackageError::Empty);
    }
    Ok(reader.archive)
}

/// What an extension says of the member after it.
struct Extension {
    name: Option<Vec<u8>>,
}

struct Reader {
    archive: Archive,
    allowance: Allowance,
    seen: usize,
    last: String,
}

impl Reader {
    fn members<R: Read>(&mut self, tar: &mut tar::Archive<R>) -> Result<(), PackageError> {
        // Raw, as the crate would otherwise hold long names of any length in memory.
        let entries = tar.entries().map_err(|_| PackageError::NotTar)?.raw(true);
        let mut extension: Option<Extension> = None;
        for entry in entries {
            let mut entry = entry.map_err(|_| self.damaged())?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let read = self.extension(&mut entry)?;
                if extension.replace(read).is_some() {
                    // Which of them counts is read differently by different readers.
                    let shown = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
                    return Err(problem(shown, What::Extension));
                }
                continue;
            }
            let name = match extension.take().and_then(|extension| extension.name) {
                Some(name) => name,
                None => entry.header().path_bytes().into_owned(),
            };
            self.member(&name, &mut entry)?;
        }
        match extension {
            None => Ok(()),
            Some(_) => Err(self.damaged()),
        }
    }

    /// Reads a header that belongs to the member after it.
    fn extension<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<Extension, PackageError> {
        let shown = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
        let refuse = || problem(shown.clone(), What::Extension);
        if entry.size() > PAX_MAX {
            return Err(refuse());
        }
        let mut content = Vec::new();
        entry
            .read_to_end(&mut content)
            .map_err(|_| self.damaged())?;
        if entry.header().entry_type().is_gnu_longname() {
            while content.last() == Some(&0) {
                content.pop();
            }
            let name = Some(content);
            return Ok(Extension { name });
        }
        let mut name = None;
        for line in tar::PaxExtensions::new(&content) {
            let line = line.map_err(|_| refuse())?;
            match line.key_bytes() {
                b"path" if name.is_none() => name = Some(line.value_bytes().to_vec()),
                // A second name, another size than the header's, and files with holes: read
                // differently by different readers.
                b"path" | b"size" => return Err(refuse()),
                key if key.starts_with(b"GNU.sparse") => return Err(refuse()),
                _ => {}
            }
        }
        Ok(Extension { name })
    }

    fn member<R: Read>(
        &mut self,
        name: &[u8],
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), PackageError> {
        let limits = &self.archive.limits;
        let shown = String::from_utf8_lossy(name).into_owned();
        self.last.clone_from(&shown);
        let name = match name::check(name, limits.name_bytes) {
            Ok(name) => name,
            Err(what) => return Err(problem(shown, what)),
        };
        if !entry.header().entry_type().is_file() {
            return Err(problem(shown, What::NotRegular));
        }
        self.seen += 1;
        if self.seen > limits.files {
            return Err(PackageError::TooMany {
                file: shown,
                max: limits.files,
            });
        }
        match name::role(name) {
            Some(Role::Entity(_)) => self.entity(name, entry),
            Some(Role::Fast) => self.fast(name, entry),
            None => Err(problem(shown, What::Unknown)),
        }
    }

    fn entity<R: Read>(
        &mut self,
        name: &str,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), PackageError> {
        let (size, max) = (entry.size(), self.archive.limits.entity_bytes);
        if size > max {
            return Err(problem(name.to_owned(), What::Large { size, max }));
        }
        // Not made in one go: the header only claims that there are so many bytes.
        let mut content = Vec::new();
        entry
            .read_to_end(&mut content)
            .map_err(|_| self.damaged())?;
        if content.len() as u64 != size {
            return Err(self.damaged());
        }
        // Kept until it is planned, and so are thousands of others.
        content.shrink_to_fit();
        match self
            .archive
            .entities
            .insert(name.to_owned(), content.into())
        {
            None => Ok(()),
            Some(_) => Err(problem(name.to_owned(), What::Duplicate)),
        }
    }

    fn fast<R: Read>(
        &mut self,
        name: &str,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), PackageError> {
        let no = |what| Err(problem(name.to_owned(), what));
        match &self.archive.code {
            None => {}
            Some(other) if other.name == name => return no(What::Duplicate),
            Some(other) => return no(What::SecondFast(other.name.clone())),
        }
        let max = self.archive.limits.fast_bytes;
        if entry.size() > max {
            return no(What::LargeCode { max });
        }
        self.allowance.raise(entry.size());
        match code::measure(name, entry, max) {
            Ok(code) => self.archive.code = Some(code),
            Err(code::Unusable::Large) => return no(What::LargeCode { max }),
            Err(code::Unusable::Damaged) => return no(What::Code),
        }
        Ok(())
    }

    fn damaged(&self) -> PackageError {
        if self.last.is_empty() {
            PackageError::NotTar
        } else {
            PackageError::Damaged {
                after: self.last.clone(),
            }
        }
    }
}

pub(super) use self::name::kind_of;

fn problem(file: String, what: What) -> PackageError {
    PackageError::Problems(vec![Problem { file, what }])
}
