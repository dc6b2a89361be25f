//! What can be said to a running server, and of what it wrote down.

use std::{path::PathBuf, time::SystemTime};

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct TrafficOptions {
    #[command(subcommand)]
    pub(crate) command: TrafficCommand,
    #[command(flatten)]
    pub(crate) server: AdminServer,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Where a server is administered.
#[derive(Debug, Args)]
pub(crate) struct AdminServer {
    /// The server's listener for administration
    #[arg(
        long,
        global = true,
        env = "GIRANDOLE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8003"
    )]
    pub(crate) server: String,
    /// A file with the token to show; of a line with a name and a token, the token
    #[arg(long, global = true, env = "GIRANDOLE_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The certificates (PEM) of the authorities to trust; https needs it
    #[arg(long, global = true, env = "GIRANDOLE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrafficCommand {
    /// Show where requests go, and how the arms of the split do
    Show {
        model: String,
        /// Show it every second, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Set the weights of the split's arms, all of them: `set forecast stable=90 canary=10`
    Set {
        model: String,
        #[arg(required = true, value_name = "ARM=WEIGHT", value_parser = weight)]
        weights: Vec<(String, f64)>,
    },
    /// Begin the rollout anew, after it ended or was taken back
    Start { model: String },
    /// Leave the rollout at its step; guards still take it back
    Pause { model: String },
    /// Let the rollout go on after a pause
    Resume { model: String },
    /// Go to the rollout's next step now, whatever this one waits for
    Promote {
        model: String,
        /// Leave all steps out: the canary gets everything
        #[arg(long)]
        full: bool,
    },
    /// Take the rollout back: the canary gets nothing
    Abort { model: String },
}

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check every line and the chain over all files; exits with 1 where anything was changed, removed or moved
    Verify {
        /// The log that is being written; full ones beside it belong to it
        file: PathBuf,
        /// The hash of an entry that must be there, such as the head that an earlier check told
        #[arg(long, value_name = "HASH")]
        contains: Option<String>,
        /// Older files may have been taken away
        #[arg(long)]
        allow_missing_start: bool,
    },
    /// Show the entries
    Show {
        /// The log that is being written; full ones beside it belong to it
        file: PathBuf,
        /// Those of this model only
        #[arg(long)]
        model: Option<String>,
        /// Those since a moment (2026-01-02T03:04:05Z), or of so long until now (90m, 2days)
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<SystemTime>,
        /// Print them as they are in the file
        #[arg(long)]
        json: bool,
    },
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let (arm, weight) = text.split_once('=').ok_or("expected ARM=WEIGHT, such as canary=10")?;
    let number = weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
    Ok((arm.to_owned(), number.ok_or_else(|| format!("'{weight}' is no weight: 0 or more"))?))
}

fn since(text: &str) -> Result<SystemTime, String> {
    let ago = humantime::parse_duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    let moment = || humantime::parse_rfc3339_weak(text).ok();
    ago.or_else(moment).ok_or_else(|| format!("'{text}' is neither a moment nor a duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_names_and_numbers() {
        assert_eq!(weight("canary=2.5"), Ok(("canary".into(), 2.5)));
        for wrong in ["canary", "canary=x", "canary=-1", "canary=inf"] {
            assert!(weight(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_a_moment_or_a_duration() {
        let day = humantime::parse_rfc3339("2026-01-02T00:00:00Z").unwrap();
        assert_eq!(since("2026-01-02 00:00:00"), Ok(day));
        assert!(since("1h").unwrap() < SystemTime::now());
        assert!(since("yesterday").is_err());
    }
}

#[derive(Debug, Args)]
pub(crate) struct AccessOptions {
    #[command(subcommand)]
    pub(crate) command: AccessCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Make an API key, and print it with what the access file must say of it
    Key {
        /// Whose it is
        name: String,
    },
    /// Say what is wrong with an access file
    Check { file: PathBuf },
}
