//! What commands print: a line at a time, and nothing more once nobody reads it.

use std::{
    fmt,
    io::{self, Write},
    process,
};

/// What a shell calls the end of a program that wrote to a closed pipe: 128 and SIGPIPE's number.
const NOBODY_READS: i32 = 141;

/// Prints a line, as `println!` does. Where it cannot be written the command ends: in silence where whoever read it has
/// had enough (`girandole inspect MODEL | head`).
macro_rules! say {
    ($($line:tt)*) => {
        $crate::commands::output::line(format_args!($($line)*))
    };
}
pub(crate) use say;

#[expect(
    clippy::exit,
    reason = "a command that only prints leaves nothing behind that would have to end in order"
)]
pub(crate) fn line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() == io::ErrorKind::BrokenPipe {
            process::exit(NOBODY_READS);
        }
        eprintln!("girandole: nothing can be written to standard output: {error}");
        process::exit(1);
    }
}
