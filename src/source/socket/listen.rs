//! The socket file: made for its owner alone, a dead daemon's replaced, a living one's left, removed only if it is ours.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why the socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody serves it.
    #[error("{0}: a daemon answers on this socket; stop it first, or give another path by --socket")]
    Living(PathBuf),
    /// Something else has that name.
    #[error("{0}: there is something here that is no socket; remove it, or give another path by --socket")]
    NoSocket(PathBuf),
    /// A system call failed.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A socket that is listened on. Its file goes when this is dropped, if it is still the same file.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    file: (u64, u64),
}

impl Listening {
    /// Makes the socket: 0600, or 0660 and of this group. The folder must have been looked at before: whoever may write
    /// in it may put another socket in our place.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Listening, BindError> {
        let failed = |what| move |source| BindError::Io { path: path.into(), what, source };
        // Two daemons that start at once take turns here; the second then finds the first alive.
        let lock = beside(path, "lock");
        let turn = File::options().create(true).truncate(false).write(true).open(&lock).map_err(failed("lock it"))?;
        flock(&turn, FlockOperation::LockExclusive).map_err(io::Error::from).map_err(failed("lock it"))?;
        look_at(path)?;
        // Made under another name, so that nobody can connect before the mode is right.
        let made = beside(path, "new");
        remove(&made).map_err(failed("make it"))?;
        let listener = UnixListener::bind(&made).map_err(failed("make it"))?;
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        fs::set_permissions(&made, fs::Permissions::from_mode(mode)).map_err(failed("set its mode"))?;
        std::os::unix::fs::chown(&made, None, group).map_err(failed("give it to the group"))?;
        fs::rename(&made, path).map_err(failed("put it in place"))?;
        let meta = fs::symlink_metadata(path).map_err(failed("look at it"))?;
        let _ = fs::remove_file(&lock);
        Ok(Listening { listener, path: path.into(), file: (meta.dev(), meta.ino()) })
    }

    /// A handle to listen on.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.file);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the place is free or holds a socket that nobody serves any more.
fn look_at(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Io { path: path.into(), what: "look at it", source }),
        Ok(meta) if !meta.file_type().is_socket() => Err(BindError::NoSocket(path.into())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // It answers, or it would if its queue were not full or we were allowed to: somebody is there.
            _ => Err(BindError::Living(path.into())),
        },
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
