//! Listening sockets: made, named, and put away.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use crate::config::{Address, Listen, Mode};

/// How many connections the kernel keeps for us until we take them.
pub(super) const BACKLOG: i32 = 4096;

/// Who may open a Unix socket unless the configuration says otherwise: the user that we run as.
pub(super) const OWNER_ALONE: Mode = Mode(0o600);

/// An address that could not be listened on.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: Address,
    /// Why not.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        write!(f, "can't listen on {address}: {source}")?;
        if source.kind() == io::ErrorKind::AddrInUse {
            f.write_str("; stop what listens there, or choose another address")?;
        }
        Ok(())
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A listening socket.
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket, and what has to be put away with it.
pub(crate) struct Bound {
    pub(crate) socket: Socket,
    /// The address, the port filled in.
    pub(crate) address: Address,
    pub(crate) file: Option<SocketFile>,
}

impl Socket {
    /// Another handle of the same socket.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

/// Listens with the backlog that a busy server wants.
pub(crate) fn bind(listen: &Listen) -> io::Result<Bound> {
    match &listen.address {
        Address::Ip(address) => {
            let socket = bind_tcp(*address)?;
            let address = Address::Ip(socket.local_addr()?);
            Ok(Bound { socket: Socket::Tcp(socket), address, file: None })
        }
        Address::Unix(path) => {
            let (socket, file) = bind_unix(path, listen.mode.unwrap_or(OWNER_ALONE))?;
            let address = listen.address.clone();
            Ok(Bound { socket: Socket::Unix(socket), address, file: Some(file) })
        }
    }
}

/// An address still in TIME_WAIT is no obstacle.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket on which nobody listens any more is no obstacle either. The mode is set before anybody
/// can connect.
fn bind_unix(path: &Path, mode: Mode) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    let file = SocketFile::at(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

/// Removes a socket that a dead process has left: one that refuses connections. Anything else that
/// stands there belongs to somebody.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is no socket; remove it, or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            drop(SocketFile { path: path.to_owned(), identity: identity(&found) });
            Ok(())
        }
        // Its backlog may be full, or it may not be ours to open: somebody listens all the same.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// The file of a Unix socket, removed when this is dropped, unless somebody else's stands there by
/// then.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        // Where we are may change; the file stays where it is.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
