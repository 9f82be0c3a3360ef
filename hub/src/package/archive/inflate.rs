//! Inflates, counts, and remembers why it stopped.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Read},
    rc::Rc,
};

use flate2::read::MultiGzDecoder;

use super::{Limits, PackageError};

/// Why no more bytes came.
#[derive(Debug)]
pub(super) enum Failure {
    /// The source could not be read.
    Source(io::Error),
    /// What the source gave is not gzip, or not whole.
    Gzip {
        /// Whether it was not gzip from the first byte on.
        from_the_start: bool,
    },
    /// There were more bytes than allowed.
    TooLarge,
}

impl Failure {
    /// The failure as one of the package, whose last file seen was `last`.
    pub(super) fn explain(self, last: String, limits: &Limits) -> PackageError {
        match self {
            Self::Source(error) => PackageError::Read(error),
            Self::Gzip {
                from_the_start: true,
            } => PackageError::NotGzip,
            Self::Gzip { .. } => PackageError::Damaged {
                after: or_start(last),
            },
            Self::TooLarge => PackageError::TooLarge {
                file: or_start(last),
                max: limits.unpacked_bytes,
            },
        }
    }
}

fn or_start(last: String) -> String {
    if last.is_empty() {
        "its beginning".to_owned()
    } else {
        last
    }
}

/// The uncompressed bytes, up to a limit.
pub(super) struct Inflate<R> {
    gzip: MultiGzDecoder<R>,
    begun: bool,
    left: Allowance,
    failure: Option<Failure>,
}

/// How many more bytes may come. Shared with who reads them, as some are not to count.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    /// So many more.
    pub(super) fn raise(&self, bytes: u64) {
        self.0.set(self.0.get().saturating_add(bytes));
    }

    fn take(&self, bytes: u64) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<R: Read> Inflate<R> {
    pub(super) fn new(source: R, left: Allowance) -> Self {
        Self {
            gzip: MultiGzDecoder::new(source),
            begun: false,
            left,
            failure: None,
        }
    }

    /// Reads to the end, where only padding may come.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        loop {
            let count = self.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            if buffer[..count].iter().any(|byte| *byte != 0) {
                return Err(io::Error::other("bytes after the end of the archive"));
            }
        }
    }

    /// Why reading failed, if the failure was not one of the reader on top.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    fn fail(&mut self, failure: Failure) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("see the failure")
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.gzip.read(buffer) {
            Ok(count) => {
                self.begun |= count > 0;
                if self.left.take(count as u64) {
                    Ok(count)
                } else {
                    Err(self.fail(Failure::TooLarge))
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let failure = match error.kind() {
                    // What flate2 says of a wrong header, checksum or code, or of an early end.
                    ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                        Failure::Gzip {
                            from_the_start: !self.begun,
                        }
                    }
                    _ => Failure::Source(error),
                };
                Err(self.fail(failure))
            }
        }
    }
}
