use std::{
    io::{self, BufWriter, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use reqwest::Body;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use crate::package::{Code, copy_code};

/// Bytes that are sent at a time. A few of those are all that is held of the code.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the network.
const PIECES: usize = 4;

/// The code as a body, and whether reading it failed. It is read in a thread of its own,
/// as fast as it is sent, which ends with the body.
pub(super) fn stream(package: Box<dyn Read + Send>, code: Code) -> (Body, Arc<AtomicBool>) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let failed = Arc::new(AtomicBool::new(false));
    let unreadable = Arc::clone(&failed);
    tokio::task::spawn_blocking(move || {
        let mut sink = BufWriter::with_capacity(PIECE, Pieces(&sender));
        let copied = copy_code(package, &code, &mut sink).and_then(|()| sink.flush());
        // What is left in the buffer would be sent after all.
        drop(sink.into_parts());
        if let Err(error) = copied
            && !sender.is_closed()
        {
            failed.store(true, Ordering::Release);
            // Without it the body would seem to be whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    (Body::wrap_stream(ReceiverStream::new(receiver)), unreadable)
}

struct Pieces<'a>(&'a Sender<io::Result<Bytes>>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
