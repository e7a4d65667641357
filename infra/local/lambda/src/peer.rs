//! Finds the process at the other end of a connection to the Runtime API.
//!
//! Every process of the machine can reach a loopback port, and the first that asks would get the
//! function's events. A secret in `AWS_LAMBDA_RUNTIME_API` could not prevent that: the variable
//! contains a host and a port, and not every runtime accepts a path in it. Linux lists the owner of
//! each socket in `/proc`.
//!
//! Source: `proc_net(5)`, `proc_pid_fd(5)`, `proc_pid_stat(5)`

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use nix::unistd::Pid;

/// The file with all IPv4 sockets of the network namespace.
const SOCKETS: &str = "/proc/net/tcp";
/// The columns of [`SOCKETS`]: `local_address`, `rem_address` and `inode`.
const LOCAL: usize = 1;
const REMOTE: usize = 2;
const INODE: usize = 9;
/// The field of `/proc/PID/stat` with the process group, counted after the name of the program.
const GROUP: usize = 2;

/// The owner of the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A process of the group.
    Group,
    /// Another process, or none any more.
    Other,
    /// The system does not list sockets in `/proc`.
    Unknown,
}

/// Finds the owner of the end `peer` of a connection to `server`.
pub(crate) fn owner(peer: SocketAddr, server: SocketAddr, group: Pid) -> Owner {
    match fs::read_to_string(SOCKETS) {
        Ok(sockets) => match inode(&sockets, peer, server) {
            Some(inode) if belongs(&inode, group) => Owner::Group,
            _ => Owner::Other,
        },
        Err(_) => Owner::Unknown,
    }
}

/// Returns the inode of the socket with these two addresses.
fn inode(sockets: &str, local: SocketAddr, remote: SocketAddr) -> Option<String> {
    let (local, remote) = (hexadecimal(local)?, hexadecimal(remote)?);
    sockets.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it = columns.get(LOCAL) == Some(&local.as_str()) && columns.get(REMOTE) == Some(&remote.as_str());
        is_it.then(|| columns.get(INODE).map(|inode| (*inode).to_owned())).flatten()
    })
}

/// Writes an IPv4 address as the kernel does: the four bytes as one number of the machine, then the
/// port.
fn hexadecimal(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(address) => {
            let number = u32::from_ne_bytes(address.ip().octets());
            Some(format!("{number:08X}:{:04X}", address.port()))
        }
        SocketAddr::V6(_) => None,
    }
}

/// Reports whether a process of the group has the socket open. The group's first process is almost
/// always the one.
fn belongs(inode: &str, group: Pid) -> bool {
    let socket = format!("socket:[{inode}]");
    let leader = format!("/proc/{group}");
    if has_open(Path::new(&leader), &socket) {
        return true;
    }
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let in_group = processes.filter_map(Result::ok).map(|entry| entry.path());
    in_group.filter(|process| group_of(process).is_ok_and(|of| of == Some(group))).any(|it| has_open(&it, &socket))
}

fn has_open(process: &Path, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    let mut targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    targets.any(|target| target.as_os_str() == socket)
}

fn group_of(process: &Path) -> io::Result<Option<Pid>> {
    let stat = fs::read_to_string(process.join("stat"))?;
    // The name of a program may contain spaces and parentheses.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(after_name.split_whitespace().nth(GROUP).and_then(|group| group.parse().ok()).map(Pid::from_raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::getpgrp;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_socket_is_found_by_both_its_addresses() {
        let sockets = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:0BB9 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 0 20 4 30 10 -1\n   \
            1: 0100007F:C350 0100007F:0BB9 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 20 4 30 10 -1\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        if cfg!(target_endian = "little") {
            assert_eq!(inode(sockets, at(50_000), at(3_001)), Some("4242".to_owned()));
        }
        assert_eq!(inode(sockets, at(50_001), at(3_001)), None);
        assert_eq!(inode("", at(1), at(2)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_other_end_of_a_connection_is_told_from_that_of_another_group() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        let peer = client.local_addr().unwrap();
        assert_eq!(owner(peer, server, getpgrp()), Owner::Group);
        assert_eq!(owner(peer, server, Pid::from_raw(1)), Owner::Other);
        drop(client);
    }
}
