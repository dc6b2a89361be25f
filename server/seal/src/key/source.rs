//! Where keys come from. They are asked for when they are needed and kept no longer, so that a source may change.

use std::{
    env, fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use girandole_core::{Error, Result, why};
use zeroize::Zeroizing;

use super::{ModelKeys, command};

/// The most bytes of a source.
const MAX_BYTES: u64 = 16 << 10;

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
    /// What a command of the shell prints.
    Command(String),
}

impl KeySource {
    /// The keys as they are now.
    ///
    /// # Errors
    /// `Unavailable` where the source gives nothing, `InvalidArgument` where it gives no keys.
    pub fn read(&self) -> Result<ModelKeys> {
        let unreadable = |e: io::Error| Error::unavailable(format!("{self} cannot be read: {}", why(&e)));
        let bytes = match self {
            Self::File(path) => File::open(path).and_then(read_secret).map_err(unreadable)?,
            Self::Env(name) => {
                let unset = || Error::unavailable(format!("{self} is not set, or is no text"));
                Zeroizing::new(env::var(name).map_err(|_| unset())?.into_bytes())
            }
            Self::Command(line) => command::output(line).map_err(unreadable)?,
        };
        let text = str::from_utf8(&bytes).map_err(|_| Error::invalid(format!("{self} holds no text")))?;
        ModelKeys::parse(text).map_err(|error| error.context(self))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("the file of model keys"),
            Self::Env(name) => write!(f, "the variable {name} of model keys"),
            Self::Command(_) => f.write_str("the command for model keys"),
        }
    }
}

/// All that there is to read. Taken into one place, so that no copies are left where a buffer grew.
pub(super) fn read_secret(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 64));
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_give_keys_and_say_what_is_wrong_with_them() {
        let key = "ab".repeat(32);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &key).unwrap();
        assert!(KeySource::File(file.path().to_owned()).read().is_ok());
        assert!(KeySource::Command(format!("echo {key}")).read().is_ok());
        std::fs::write(file.path(), vec![b'a'; 20_000]).unwrap();
        for (source, expected) in [
            (KeySource::File(file.path().to_owned()), "longer than"),
            (KeySource::File("/nowhere".into()), "the file of model keys cannot be read: entity not found"),
            (KeySource::Env("GIRANDOLE_NO_SUCH_KEY".into()), "GIRANDOLE_NO_SUCH_KEY"),
            (KeySource::Env("PATH".into()), "line 1"),
            (KeySource::Command("exit 3".into()), "exit status: 3"),
            (KeySource::Command("true".into()), "there is no key"),
        ] {
            let error = source.read().unwrap_err();
            assert!(error.message().contains(expected), "{source:?}: {error}");
        }
    }
}
