//! A child process that dies with this one, can be killed and started again, and logs to a file.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{Error, Result as IoResult},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

/// How many lines of each log a failure shows.
const TAIL: usize = 15;

/// The logs of the processes that exist, for [`log_tails`].
static LOGS: Mutex<Vec<(String, PathBuf)>> = Mutex::new(Vec::new());

type Job = Box<dyn FnOnce() + Send>;

/// Linux sends the parent-death signal when the *thread* that spawned a child ends, so all children are spawned by one
/// thread that lives as long as the process.
#[expect(clippy::expect_used, reason = "start-up of a test process")]
static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    thread::Builder::new()
        .name("spawner".into())
        .spawn(move || jobs.into_iter().for_each(|job| job()))
        .expect("a thread");
    sender
});

/// One program with its arguments: running or not.
pub struct Process {
    name: String,
    dir: PathBuf,
    command: Arc<Mutex<Command>>,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts `program` in `dir`, with output and errors appended to `<name>.log` in there.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        dir: &Path,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let path = dir.join(format!("{name}.log"));
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(args)
            .envs(env.iter().copied())
            .current_dir(dir);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        LOGS.lock().push((name.to_owned(), path));
        let command = Arc::new(Mutex::new(command));
        let process = Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
            command,
            child: Mutex::default(),
        };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it once more, as before. It must not be running.
    pub fn start_again(&self) -> Result<()> {
        let mut child = self.child.lock();
        if child.is_some() {
            bail!("{} has not been stopped", self.name);
        }
        let (reply, answer) = channel::<IoResult<Child>>();
        let command = Arc::clone(&self.command);
        let spawn = move || {
            let _ = reply.send(command.lock().spawn());
        };
        SPAWNER
            .send(Box::new(spawn))
            .map_err(|_| anyhow!("the spawner has ended"))?;
        *child = Some(
            answer
                .recv()?
                .with_context(|| format!("start {}", self.name))?,
        );
        Ok(())
    }

    /// Sends SIGKILL and waits for the end. Nothing happens when it is not running.
    pub fn kill(&self) -> Result<()> {
        if let Some(mut child) = self.child.lock().take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends SIGTERM and gives the exit status. After `deadline` it is killed, and that is an error.
    pub async fn terminate(&self, deadline: Duration) -> Result<ExitStatus> {
        kill_process(self.pid()?, Signal::TERM).map_err(Error::from)?;
        let what = format!("{} ends on SIGTERM", self.name);
        let ended = wait_until(deadline, &what, || async {
            self.exited()?.context("it runs")
        });
        let ended = ended.await;
        self.kill()?;
        ended
    }

    /// The exit status of a process that ended by itself; `None` while it runs.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        let mut child = self.child.lock();
        Ok(child
            .as_mut()
            .with_context(|| format!("{} has been stopped", self.name))?
            .try_wait()?)
    }

    /// Waits until `check` answers `Ok`, and fails at once when the process ends.
    pub async fn ready<F>(&self, deadline: Duration, mut check: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let what = format!("{} is ready", self.name);
        let up = wait_until(deadline, &what, || {
            let check = check();
            async {
                match self.exited()? {
                    Some(status) => Ok(Some(status)),
                    None => check.await.map(|()| None),
                }
            }
        });
        match up.await? {
            None => Ok(()),
            Some(status) => bail!(
                "{} has ended with {status} before it was ready\n{}",
                self.name,
                tail(&self.log(), TAIL)
            ),
        }
    }

    /// Its name, as in its log's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder, with its log and what it was given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        read(&self.log_path())
    }

    /// Where its log is.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }

    /// Its resident memory in bytes.
    pub fn rss_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it has had, in bytes.
    pub fn peak_rss_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?.as_raw_nonzero()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .with_context(|| format!("no {field}"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    fn pid(&self) -> Result<Pid> {
        let child = self.child.lock();
        Ok(Pid::from_child(child.as_ref().with_context(|| {
            format!("{} is not running", self.name)
        })?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        LOGS.lock().retain(|(_, path)| *path != self.log_path());
    }
}

/// The end of the log of every process that exists.
pub fn log_tails() -> String {
    let logs = LOGS.lock().clone();
    logs.iter().fold(String::new(), |mut text, (name, path)| {
        let _ = write!(
            text,
            "--- {name}: {}\n{}",
            path.display(),
            tail(&read(path), TAIL)
        );
        text
    })
}

fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn tail(text: &str, lines: usize) -> String {
    let skipped = text.lines().count().saturating_sub(lines);
    text.lines()
        .skip(skipped)
        .fold(String::new(), |kept, line| kept + line + "\n")
}

#[cfg(test)]
mod tests;
