//! A server that is far away: bytes to it and from it are held back for half of the round trip each way, and
//! as many may be on their way as there are. Threads that sleep do that to a twentieth of a millisecond,
//! timers of tokio only to a whole one.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Pieces on their way in one direction before no more are read: far more than clients wait for.
const ON_THE_WAY: usize = 4096;
const PIECE: usize = 64 << 10;

/// Bytes, and when they are to arrive.
type Piece = (Instant, Vec<u8>);

/// Listens on a free port of the loopback interface, for as long as this process lives, and relays to `target`
/// (`host:port`) as if it were `round_trip` away.
pub fn delayed(target: &str, round_trip: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let target = target.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let target = target.clone();
            // A connection that fails is seen by both sides as one that ends.
            thread::spawn(move || connect(&client, &target, round_trip));
        }
    });
    Ok(address)
}

fn connect(client: &TcpStream, target: &str, round_trip: Duration) -> io::Result<()> {
    // The kernel accepted at once; over a distance that takes a round trip.
    thread::sleep(round_trip);
    let server = TcpStream::connect(target)?;
    for socket in [client, &server] {
        socket.set_nodelay(true)?;
    }
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || relay(from, to, round_trip / 2));
    relay(client.try_clone()?, server, round_trip / 2);
    Ok(())
}

fn relay(from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, receiver) = sync_channel(ON_THE_WAY);
    thread::spawn(move || deliver(&receiver, to));
    let _ = collect(from, &sender, delay);
}

fn collect(mut from: TcpStream, sender: &SyncSender<Piece>, delay: Duration) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = from.read(&mut buffer)?;
        let piece = (Instant::now() + delay, buffer[..count].to_vec());
        // Nothing, the last of all, is the end: that takes its time, too.
        if sender.send(piece).is_err() || count == 0 {
            return Ok(());
        }
    }
}

fn deliver(pieces: &Receiver<Piece>, mut to: TcpStream) {
    for (due, bytes) in pieces {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(10);

    /// Answers with what it gets, until the client has no more.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn far_echo() -> TcpStream {
        let address = delayed(&echo().to_string(), ROUND_TRIP).unwrap();
        TcpStream::connect(address).unwrap()
    }

    #[test]
    fn every_answer_takes_a_round_trip() {
        let mut stream = far_echo();
        let mut last = Instant::now();
        for byte in 0..5 {
            stream.write_all(&[byte]).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [byte]);
            let now = Instant::now();
            assert!(now - last >= ROUND_TRIP);
            last = now;
        }
    }

    #[test]
    fn all_bytes_arrive_in_their_order() {
        let stream = far_echo();
        let sent: Vec<u8> = (0..8_u32 << 20)
            .map(|n| (n >> 7).to_le_bytes()[0])
            .collect();
        let (mut writer, bytes) = (stream.try_clone().unwrap(), sent.clone());
        let writing = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        (&stream).read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(
            received == sent,
            "{} bytes of {}",
            received.len(),
            sent.len()
        );
    }
}
