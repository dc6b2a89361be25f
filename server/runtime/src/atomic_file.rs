//! Files that are replaced in one step and on the disk, so that a crash leaves either the old or the new one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Puts bytes in a file's place, with the permissions of what was there.
///
/// # Errors
/// Where the directory cannot be written; then the old file stands.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (dir, name) = (path.parent().unwrap_or(Path::new(".")), path.file_name().unwrap_or_default());
    let draft = dir.join(format!(".{}.new", name.to_string_lossy()));
    let written = write_through(&draft, path, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // There may be none.
        let _ = fs::remove_file(&draft);
    }
    written?;
    // The new file is there; that some file systems cannot put a directory on the disk is no failure to write it.
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

fn write_through(draft: &Path, of: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(draft)?;
    if let Ok(metadata) = fs::metadata(of) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_no_draft_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(replace(&path.join("b"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
