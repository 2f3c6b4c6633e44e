//! The main job from outside: the example `tree-digest` on trees of every kind, compared with `sha256sum`.
#![cfg(target_os = "linux")]

mod example;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    slice,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use sha2::{Digest as _, Sha256};

/// A folder that is removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tree-digest-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.join(name.as_ref())
    }

    fn file(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A file whose digest nobody will wait for.
    fn endless(&self, name: &str) -> PathBuf {
        let path = self.file(name, "");
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        path
    }

    fn digest(&self) -> Output {
        tree_digest(&self.0).output().unwrap()
    }

    /// Runs the program and compares with what `sha256sum` says about these files, in this order.
    #[track_caller]
    fn check(&self, files: &[PathBuf]) {
        let output = self.digest();
        assert_eq!(output.stderr.escape_ascii().to_string(), "");
        assert_eq!(output.stdout.escape_ascii().to_string(), sha256sum(files).escape_ascii().to_string());
        assert_eq!(output.status.code(), Some(0));
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tree_digest(dir: &Path) -> Command {
    let mut command = Command::new(example::example("tree-digest"));
    command.arg(dir).stdin(Stdio::null());
    command
}

/// What the program of that name prints; the same from here if there is no such program.
fn sha256sum(files: &[PathBuf]) -> Vec<u8> {
    if files.is_empty() {
        return Vec::new();
    }
    match Command::new("sha256sum").arg("--").args(files).stderr(Stdio::inherit()).output() {
        Ok(output) => output.stdout,
        Err(_) => files.iter().flat_map(|path| line(path)).collect(),
    }
}

fn line(path: &Path) -> Vec<u8> {
    let name = path.as_os_str().as_bytes();
    let escaped: Vec<u8> = name
        .iter()
        .flat_map(|byte| match byte {
            b'\\' => br"\\".to_vec(),
            b'\n' => br"\n".to_vec(),
            b'\r' => br"\r".to_vec(),
            byte => vec![*byte],
        })
        .collect();
    let mut line = if escaped == name { Vec::new() } else { b"\\".to_vec() };
    line.extend(format!("{:x}  ", Sha256::digest(fs::read(path).unwrap())).bytes());
    line.extend(escaped);
    line.push(b'\n');
    line
}

/// Bytes that repeat nowhere near.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn an_empty_folder_has_no_lines() {
    Tree::new().check(&[]);
}

#[test]
fn the_order_is_that_of_the_paths_as_bytes() {
    let tree = Tree::new();
    // A folder sorts as if its name ended in the slash that is in every path below it.
    let names = ["A", "a-b", "a.b/z", "a/b/c/d", "a/b/c.d", "a/x", "a0", "ab/a", "b", "z/z/z/z/z"];
    let files: Vec<PathBuf> = names.iter().rev().map(|name| tree.file(name, name)).collect();
    let mut sorted = files;
    sorted.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    fs::create_dir_all(tree.path("empty/empty")).unwrap();
    tree.check(&sorted);
}

#[test]
fn files_of_all_sizes() {
    let tree = Tree::new();
    const BUFFER: usize = 256 << 10;
    let sizes = [0, 1, 55, 56, 64, BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER, 7 * BUFFER + 12_345];
    let noise = noise(8 * BUFFER);
    let files: Vec<PathBuf> =
        sizes.iter().enumerate().map(|(i, size)| tree.file(format!("{i:02}"), &noise[i..i + size])).collect();
    tree.check(&files);
}

#[test]
fn thousands_of_small_files() {
    let tree = Tree::new();
    let files: Vec<PathBuf> = (0..3000)
        .map(|i| tree.file(format!("{:02}/{i:04}", i / 100), if i % 3 == 0 { vec![] } else { noise(i) }))
        .collect();
    tree.check(&files);
}

#[test]
fn names_survive_whatever_their_bytes() {
    let tree = Tree::new();
    let names: [&[u8]; 8] =
        [b"\x01", b" ", b"-n", b"a\nb", b"back\\slash", b"folder\nof\\two/\xffx", b"\xc3\xa9", b"\xff\xfe not utf-8"];
    let files: Vec<PathBuf> = names.iter().map(|name| tree.file(OsStr::from_bytes(name), name)).collect();
    tree.check(&files);
    // Older versions of `sha256sum` do not escape the carriage return; all of them read the escape.
    tree.file("carriage\rreturn", "x");
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--status", "--strict"]).stdin(Stdio::piped());
    if let Ok(mut check) = check.spawn() {
        check.stdin.take().unwrap().write_all(&tree.digest().stdout).unwrap();
        assert!(check.wait().unwrap().success());
    }
}

#[test]
fn symlinks_are_not_followed() {
    let tree = Tree::new();
    let file = tree.file("folder/file", "content");
    symlink(".", tree.path("loop")).unwrap();
    symlink("..", tree.path("folder/up")).unwrap();
    symlink("file", tree.path("folder/link")).unwrap();
    symlink("nowhere", tree.path("dangling")).unwrap();
    symlink("itself", tree.path("itself")).unwrap();
    tree.check(&[file]);
}

#[test]
fn the_folder_itself_may_be_a_symlink_and_end_in_slashes() {
    let tree = Tree::new();
    tree.file("folder/file", "content");
    symlink("folder", tree.path("link")).unwrap();
    for dir in ["link", "link/", "folder//", "./folder"] {
        let output = tree_digest(Path::new(dir)).current_dir(&tree.0).output().unwrap();
        let name = format!("{dir}{}file\n", if dir.ends_with('/') { "" } else { "/" });
        assert_eq!(String::from_utf8_lossy(&output.stdout).split("  ").nth(1), Some(&*name));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn what_is_no_regular_file_is_passed_over() {
    let tree = Tree::new();
    let file = tree.file("file", "content");
    let _socket = UnixListener::bind(tree.path("socket")).unwrap();
    // Whoever opened it to read would wait for a writer.
    let fifo = Command::new("mkfifo").arg(tree.path("fifo")).status();
    assert!(fifo.is_ok_and(|status| status.success()), "mkfifo belongs to every Linux");
    tree.check(&[file]);
}

#[test]
fn what_cannot_be_read_is_reported_and_the_rest_goes_on() {
    let tree = Tree::new();
    let before = tree.file("a", "a");
    let secret = tree.file("b-\u{1}secret", "b");
    tree.file("c-closed/inside", "c");
    let after = tree.file("d", "d");
    let close = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    close(&secret);
    close(&tree.path("c-closed"));
    let mut command = tree_digest(&tree.0);
    let bin = Tree::new();
    if File::open(&secret).is_ok() {
        // Permissions do not stop root: let another user try, with a copy of the program where that user can reach it.
        let program = bin.path("tree-digest");
        fs::copy(command.get_program(), &program).unwrap();
        command = Command::new(program);
        command.arg(&tree.0).uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, sha256sum(&[before, after]), "{stderr}");
    let dir = tree.0.display();
    let denied = "Permission denied (os error 13)";
    for line in [
        format!("tree-digest: {dir}/b-\\x01secret: {denied}\n"),
        format!("tree-digest: {dir}/c-closed: {denied}\n"),
        "tree-digest: 2 files digested, 2 could not be read\n".to_owned(),
    ] {
        assert!(stderr.contains(&line), "no {line:?} in {stderr}");
    }
    assert_eq!(output.status.code(), Some(1));
    // So that it can be removed.
    fs::set_permissions(tree.path("c-closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_folder_that_is_not_there_or_none() {
    let tree = Tree::new();
    let file = tree.file("file", "");
    for dir in [tree.path("nowhere"), file] {
        let output = tree_digest(&dir).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with(&format!("tree-digest: {}: No", dir.display())), "{stderr}");
    }
}

#[test]
fn wrong_arguments_are_told_with_the_usage() {
    for args in [&[][..], &["a", "b"], &["--jobs", "a"], &["--", "-a", "b"], &[""]] {
        let output = Command::new(example::example("tree-digest")).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        assert!(stderr.starts_with("tree-digest: ") && stderr.ends_with("\nusage: tree-digest DIR\n"), "{stderr}");
    }
    let help = Command::new(example::example("tree-digest")).arg("--help").output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"usage: tree-digest DIR\n"));
}

#[test]
fn ctrl_c_prints_what_is_finished() {
    let tree = Tree::new();
    let (first, last) = (tree.file("a", "a"), tree.file("z", "z"));
    tree.endless("middle/endless");
    tree.endless("middle/endless2");
    let mut child = tree_digest(&tree.0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    // Its line is here: it is finished, and the others are in the middle.
    stdout.read_until(b'\n', &mut lines).unwrap();
    assert_eq!(lines, sha256sum(slice::from_ref(&first)));
    let kill = Command::new("sh").args(["-c", "kill -INT $1", "sh", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    stdout.read_to_end(&mut lines).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // Whether the last one is finished, or was begun at all, is open.
    let both = lines == sha256sum(&[first.clone(), last]);
    assert!(both || lines == sha256sum(&[first]), "{}", lines.escape_ascii());
    let summary = if both { "2 files digested, " } else { "1 file digested, " };
    assert!(stderr.starts_with(&format!("tree-digest: interrupted: {summary}")), "{stderr}");
    assert_eq!(output.status.code(), Some(130), "{stderr}");
}

#[test]
fn an_output_that_nobody_reads_ends_it() {
    let tree = Tree::new();
    tree.file("a", "a");
    tree.endless("endless");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = tree_digest(&tree.0).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let tree = Tree::new();
    tree.file("a", "a");
    tree.endless("endless");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = tree_digest(&tree.0).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("tree-digest: standard output: No space left"), "{stderr}");
}
