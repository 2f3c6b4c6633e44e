//! Where io_uring is forbidden, by a seccomp filter that the test installs: everything works, on a pool of threads.
mod common;

use async_io_uring::{
    Driver, DriverKind, UringRuntime,
    fs::File,
    net::{TcpListener, TcpStream},
    pipe::pipe,
};
use common::*;

/// Makes `io_uring_setup` fail with EPERM in this thread and those that it starts.
fn forbid() {
    let load = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut filter = [
        load(0x20, 0), // the number of the system call
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: libc::SYS_io_uring_setup as u32 },
        load(0x06, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32), // refuse
        load(0x06, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: sets a flag of this thread.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` names a filter that lives until the call has copied it.
    let installed = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(installed, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn everything_works_without_io_uring() {
    forbid();
    assert_eq!(Driver::current().kind(), DriverKind::BlockingPool);
    for place in Place::each() {
        let file = place.run(File::open("/proc/self/exe")).unwrap();
        let mut magic = [0; 4];
        place.run(file.read_exact_at(&mut magic, 0)).unwrap();
        assert_eq!(&magic, b"\x7fELF");
        let (reader, writer) = pipe().unwrap();
        for moment in ASKED {
            assert!(is_cancelled(&place.run(ask(moment, reader.read(&mut magic))).unwrap_err()));
        }
        place.run(writer.write(b"x")).unwrap();
        assert_eq!(place.run(reader.read(&mut magic)).unwrap(), 1);
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = place.run(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
        let (server, _) = place.run(listener.accept()).unwrap();
        place.run(client.write_all(b"ping")).unwrap();
        place.run(server.read_exact(&mut magic)).unwrap();
        assert_eq!(&magic, b"ping");
    }
    assert_eq!(UringRuntime::new().unwrap().driver().kind(), DriverKind::BlockingPool);
}
