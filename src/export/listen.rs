//! Where the HTTP server listens: a TCP address or a Unix socket.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::policy::config::Listen;

/// A socket that listens. It is bound outside any runtime, so that a taken address is an error at the start.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket with mode 0600; its file goes away with the listener.
    Unix(UnixListener, SocketFile),
}

/// Removes the socket's file at the end.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds the address. Errors: `AddrInUse` where somebody answers there already, and whatever the kernel says.
    pub fn bind(listen: &Listen) -> io::Result<Listener> {
        match listen {
            Listen::Tcp(address) => bind_tcp(address).map(Listener::Tcp),
            Listen::Unix(path) => bind_unix(path).map(|socket| Listener::Unix(socket, SocketFile(path.clone()))),
        }
    }

    /// The address it got, the port included: `127.0.0.1:9877` or `unix:PATH`.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(socket) => socket.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string()),
            Listener::Unix(_, SocketFile(path)) => format!("unix:{}", path.display()),
        }
    }
}

/// An empty host stands for every address; where the kernel has no IPv6 it means every IPv4 one.
fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let every = address.strip_prefix(':').map(|port| format!("[::]:{port}"));
    let address = every.as_deref().unwrap_or(address);
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    TcpListener::bind(&addresses[..]).or_else(|error| match address.strip_prefix("[::]:") {
        Some(port) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(format!("0.0.0.0:{port}")),
        _ => Err(error),
    })
}

/// The socket is made under another name, closed to others, and then renamed: at no moment can anybody connect who
/// may not, and a dead daemon's file is replaced.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody answers there already"));
    }
    if path.symlink_metadata().is_ok_and(|file| !is_socket(&file)) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name that is no socket"));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(name);
    let _ = std::fs::remove_file(&fresh);
    let socket = UnixListener::bind(&fresh)?;
    let placed = std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&fresh, path));
    if let Err(error) = placed {
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    Ok(socket)
}

fn is_socket(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.file_type().is_socket()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_closed_to_others_and_replaces_a_dead_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("http.sock");
        let listen = Listen::Unix(path.clone());
        let first = Listener::bind(&listen).expect("bound");
        assert_eq!(path.metadata().expect("a socket").permissions().mode() & 0o777, 0o600);
        assert_eq!(Listener::bind(&listen).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        let Listener::Unix(socket, file) = first else { unreachable!("a Unix address gives a Unix socket") };
        drop(socket);
        std::mem::forget(file);
        assert!(path.exists());
        drop(Listener::bind(&listen).expect("a dead socket is replaced"));
        assert!(!path.exists());
        std::fs::write(&path, "mine").expect("written");
        assert_eq!(Listener::bind(&listen).expect_err("a file").kind(), io::ErrorKind::AlreadyExists);
    }
}
