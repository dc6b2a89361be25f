//! Traffic files in the state directory, for repositories that cannot be written: each stands in the place of one
//! text of the repository's file. Once the repository says something else, that is newer, and the overlay goes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{FoundTraffic, Origin};
use crate::atomic_file;

/// What an overlay's first line begins with; the digest of what it stands for follows.
const HEADER: &str = "# Written by girandole, in place of the repository's traffic.toml with SHA-256 ";
/// The digest of no file.
const NONE: &str = "none";

/// Where overlays are.
#[derive(Clone, Debug)]
pub(crate) struct Overlays {
    dir: PathBuf,
}

impl Overlays {
    /// Overlays in a state directory.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("traffic") }
    }

    /// What applies, given what the repository has: the overlay of exactly that, or the repository's own. An
    /// overlay of something else is removed.
    pub(crate) fn over(&self, model: &str, found: Option<FoundTraffic>) -> Option<FoundTraffic> {
        let Some((base, text)) = self.read(model) else { return found };
        let unreadable = found.as_ref().is_some_and(|found| found.text.is_err());
        if unreadable || base == base_of(found.as_ref()) {
            return Some(FoundTraffic::new(&text, Origin::State));
        }
        tracing::info!(%model, "the repository's traffic file changed and takes the state directory's place");
        if let Err(error) = fs::remove_file(self.path(model)) {
            tracing::warn!(%model, %error, "a traffic file that applies no more cannot be removed");
        }
        found
    }

    /// Writes what is to apply as long as the repository has what it has now.
    pub(super) fn write(&self, model: &str, found: Option<&FoundTraffic>, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let base = base_of(found);
        atomic_file::replace(&self.path(model), format!("{HEADER}{base}\n{text}").as_bytes())
    }

    fn read(&self, model: &str) -> Option<(String, String)> {
        let whole = fs::read_to_string(self.path(model)).ok()?;
        let (header, text) = whole.split_once('\n')?;
        Some((header.strip_prefix(HEADER)?.to_owned(), text.to_owned()))
    }

    fn path(&self, model: &str) -> PathBuf {
        self.dir.join(format!("{model}.toml"))
    }
}

fn base_of(found: Option<&FoundTraffic>) -> String {
    let digest = found.and_then(FoundTraffic::digest);
    digest.map_or_else(|| NONE.to_owned(), |digest| digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_stands_for_one_text_and_goes_with_it() {
        let state = tempfile::tempdir().unwrap();
        let overlays = Overlays::new(state.path());
        let found = |text: &str| Some(FoundTraffic::new(text, Origin::Repository));
        assert_eq!(overlays.over("m", found("a")), found("a"));
        overlays.write("m", found("a").as_ref(), "b\nc").unwrap();
        let overlay = Some(FoundTraffic::new("b\nc", Origin::State));
        assert_eq!(overlays.over("m", found("a")), overlay);
        let unreadable =
            FoundTraffic { text: Err("odd".into()), origin: Origin::Repository, settling: false };
        assert_eq!(overlays.over("m", Some(unreadable)), overlay);
        assert_eq!(overlays.over("n", None), None);
        assert_eq!(overlays.over("m", found("d")), found("d"));
        assert_eq!(overlays.over("m", found("a")), found("a"), "it does not come back");
        overlays.write("m", None, "b").unwrap();
        assert_eq!(overlays.over("m", None), Some(FoundTraffic::new("b", Origin::State)));
    }
}
