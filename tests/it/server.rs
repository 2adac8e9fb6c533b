//! A creditd process and the directory that it lives in.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::wire::Wire;

/// How long a start or an end may take: far more than any needs, so that only a hang fails.
const WITHIN: Duration = Duration::from_secs(60);

/// A place on disk for one server after the other.
pub struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    /// An empty one.
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// An empty one below `parent`, which may be a mount of the test's own.
    pub fn within(parent: &Path) -> Self {
        Self { dir: tempfile::tempdir_in(parent).expect("a directory for the test") }
    }

    /// Where the server keeps its log.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Makes the data directory with these permissions.
    pub fn make_data_dir(&self, mode: u32) {
        fs::create_dir(self.data_dir()).expect("the directory is new");
        fs::set_permissions(self.data_dir(), fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    /// A path beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a server that must come to serve.
    pub fn start(&self, flags: &[&str]) -> Server {
        let started = self.begin(&[], flags).ready();
        started.unwrap_or_else(|(status, log)| panic!("no start with {flags:?}: {status}\n{log}"))
    }

    /// Starts a server that must not come to serve. Its exit code, and what it said.
    pub fn refusal(&self, flags: &[&str]) -> (Option<i32>, String) {
        match self.begin(&[], flags).ready() {
            Ok(_) => panic!("started with {flags:?}"),
            Err((status, log)) => (status.code(), log),
        }
    }

    /// Starts a server, as the last words of `wrapper`'s command line if that has any, and waits for nothing.
    pub fn begin(&self, wrapper: &[&str], flags: &[&str]) -> Starting {
        let log = self.path("stderr");
        let program = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_creditd")]).collect::<Vec<_>>();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(flags).current_dir(self.dir.path());
        // Flags win over variables, so a test can have its own.
        command.env_clear();
        for name in ["PATH", "PLANTED_BUG"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("CREDITD_PORT", "0").env("CREDITD_SEGMENT_SIZE", "4MiB").env("CREDITD_DATA_DIR", self.data_dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::options().create(true).append(true).open(&log).expect("a file for its log"));
        let log_from = read(&log).len();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program[0]));
        let output = lines(&mut child);
        Starting(Server { child, port: 0, output, log, log_from })
    }
}

/// A server that may not serve yet.
pub struct Starting(Server);

impl Starting {
    /// Waits until it serves, or has ended: then its status, and what it said.
    pub fn ready(self) -> Result<Server, (ExitStatus, String)> {
        let mut server = self.0;
        let banner = match server.output.recv_timeout(WITHIN) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Err((server.child.wait().expect("a child"), server.log())),
            Err(RecvTimeoutError::Timeout) => panic!("it neither serves nor ends\n{}", server.log()),
        };
        let port = banner.rsplit(':').next().and_then(|port| port.parse().ok());
        server.port = port.unwrap_or_else(|| panic!("no port at the end of the banner's first line: {banner:?}"));
        Ok(server)
    }

    /// Where it listens, which it may do before it serves; `None`: not yet.
    pub fn listening_port(&self) -> Option<u16> {
        self.0.said_port(" addresses=[")
    }

    /// Where its admin port is; `None`: not yet.
    pub fn admin_port(&self) -> Option<u16> {
        self.0.said_port(" admin_addresses=[")
    }
}

/// A running server; it is killed when the value goes.
pub struct Server {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    output: Receiver<String>,
    log: PathBuf,
    /// Where its own lines begin: others have lived in the same place.
    log_from: usize,
}

impl Server {
    /// Where its admin port is on 127.0.0.1.
    pub fn admin_port(&self) -> u16 {
        self.said_port(" admin_addresses=[").expect("it says where it listens")
    }

    /// Where it listens for TLS on 127.0.0.1.
    pub fn tls_port(&self) -> u16 {
        self.said_port(" tls_addresses=[").expect("it says where it listens")
    }

    /// The first port behind `field` of the line that says where it listens.
    fn said_port(&self, field: &str) -> Option<u16> {
        let log = self.log();
        let line = log.get(self.log_from..)?.lines().find(|line| line.contains(" listening "))?;
        line.split_once(field)?.1.split([']', ',']).next()?.rsplit(':').next()?.parse().ok()
    }

    /// A connection to it.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.port)
    }

    /// The number of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What it, and those before it in the same place, said on standard error.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Ends it as a power-loving operator would: SIGKILL.
    pub fn kill9(mut self) {
        self.child.kill().expect("it runs");
        let status = self.child.wait().expect("a child");
        assert_eq!(status.signal(), Some(9), "it had ended before: {status}\n{}", self.log());
    }

    /// Asks it to end (SIGTERM) and returns its exit code.
    pub fn terminate(self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.exit_code()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Waits for its end.
    pub fn exit_code(mut self) -> Option<i32> {
        loop {
            match self.output.recv_timeout(WITHIN) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("a child").code(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.log()),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's standard output, line by line; the channel ends with the process.
fn lines(child: &mut Child) -> Receiver<String> {
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}
