//! What a command prints, within a time, so that a key service that hangs holds up nobody for ever.

use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use zeroize::Zeroizing;

use super::source::read_secret;

/// The longest that a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The output of a line of the shell. What it complains of goes where the server's own complaints go.
///
/// # Errors
/// Where it cannot be started, fails, prints too much, or takes too long; its output is not shown.
pub(super) fn output(line: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    within(line, LIMIT)
}

fn within(line: &str, limit: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut child =
        Command::new("/bin/sh").args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let (sender, output) = mpsc::channel();
    thread::Builder::new().name("key".into()).spawn(move || drop(sender.send(read_secret(stdout))))?;
    let output = output.recv_timeout(limit);
    let status = end(&mut child, output.is_ok())?;
    let late = |_| io::Error::other(format!("it did not end within {} s", limit.as_secs()));
    let output = output.map_err(late)??;
    if status.success() { Ok(output) } else { Err(io::Error::other(format!("it failed ({status})"))) }
}

/// Waits for a command that closed its output, and ends another.
fn end(child: &mut Child, closed: bool) -> io::Result<ExitStatus> {
    if !closed {
        // It may have ended by itself in this moment.
        let _ = child.kill();
    }
    child.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = within("exec sleep 600", Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.to_string(), "it did not end within 0 s");
        assert_eq!(within("printf a; printf b >&2", LIMIT).unwrap().as_slice(), b"a");
    }
}
