//! Reading the small files that a configuration names, never anything outside the model's directory.

use std::{
    fs::File,
    io::Read,
    path::{Component, Path},
};

/// Reads a file within `dir` that is at most `limit` bytes long; the error says what is wrong, without paths.
pub(super) fn read_within(dir: &Path, relative: &str, limit: u64) -> Result<Vec<u8>, String> {
    let path = Path::new(relative);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if relative.is_empty() || !plain {
        return Err(format!("'{relative}' must be a path within the model's directory, without '..'"));
    }
    let unreadable = |_| format!("file '{relative}' is missing or cannot be read");
    let root = dir.canonicalize().map_err(unreadable)?;
    // Links are followed first: Kubernetes mounts files through them, and they may lead outside.
    let target = dir.join(path).canonicalize().map_err(unreadable)?;
    if !target.starts_with(&root) {
        return Err(format!("file '{relative}' leads outside the model's directory"));
    }
    let file = File::open(target).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("'{relative}' is not a regular file"));
    }
    let mut data = Vec::new();
    file.take(limit + 1).read_to_end(&mut data).map_err(unreadable)?;
    if data.len() as u64 > limit {
        return Err(format!("file '{relative}' is longer than the {limit} bytes allowed"));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_within_the_directory_are_read() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(root.path().join("secret"), "s").unwrap();
        std::fs::write(dir.join("labels"), "a").unwrap();
        std::os::unix::fs::symlink("../secret", dir.join("link")).unwrap();
        assert_eq!(read_within(&dir, "labels", 1), Ok(b"a".to_vec()));
        for wrong in ["../secret", "/etc/passwd", "link", "none", "", ".", "a/../../secret"] {
            assert!(read_within(&dir, wrong, 1).is_err(), "{wrong}");
        }
        assert!(read_within(&dir, "labels", 0).unwrap_err().contains("longer"));
    }
}
