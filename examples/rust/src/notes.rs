//! Notes as text files in one folder.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    folder: PathBuf,
}

impl Notes {
    pub(crate) async fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder).await?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their names, in order.
    pub(crate) async fn list(&self) -> io::Result<Vec<String>> {
        let mut entries = fs::read_dir(&self.folder).await?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            names.extend(entry.file_name().to_str().and_then(|name| name.strip_suffix(".txt")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    pub(crate) async fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path(name)?).await
    }

    pub(crate) async fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path(name)?, text).await
    }

    /// A name with nothing in it that could lead out of the folder.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '-') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name is letters, digits and dashes"));
        }
        Ok(self.folder.join(format!("{name}.txt")))
    }
}
