//! The workspace as `cargo metadata` sees it, and the files that belong to it as git sees them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Result, run::Run};

/// The workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target directory, whatever the environment says it is.
    pub(crate) target: PathBuf,
    /// Members first, then everything they depend on.
    pub(crate) packages: Vec<Package>,
}

/// A package: a member of the workspace or a dependency.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) dir: PathBuf,
    pub(crate) member: bool,
    pub(crate) license: Option<String>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A line of a `[dependencies]` table.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
    pub(crate) optional: bool,
}

/// Which `[dependencies]` table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DependencyKind {
    Normal,
    Dev,
    Build,
}

/// A library, binary, test, example or benchmark of a package.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) source: PathBuf,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let output = Run::cargo(["metadata", "--format-version=1"]).quiet().output()?;
        if !output.ok {
            return Err(format!("`cargo metadata` failed:\n{}", output.stderr).into());
        }
        Self::parse(&serde_json::from_str(&output.stdout)?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let members: Vec<&str> = array(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
        let mut packages: Vec<Package> = array(&metadata["packages"])
            .map(|package| Package::parse(package, members.contains(&text(&package["id"]))))
            .collect();
        packages.sort_by(|a, b| (!a.member, &a.name, &a.version).cmp(&(!b.member, &b.name, &b.version)));
        if packages.is_empty() {
            return Err("`cargo metadata` names no package; is this the root of the workspace?".into());
        }
        Ok(Self {
            root: text(&metadata["workspace_root"]).into(),
            target: text(&metadata["target_directory"]).into(),
            packages,
        })
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }

    /// The members that users meet: everything but the developer tools, and crates that play a part in tests.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.members().filter(|package| {
            let inside = package.dir.strip_prefix(&self.root).unwrap_or(&package.dir);
            !inside.iter().any(|part| part == "xtask" || part == "tests")
        })
    }

    /// The text files that belong to the project: tracked by git, or new and not ignored. Relative to the root, sorted.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let list = Run::new("git", ["ls-files", "--cached", "--others", "--exclude-standard"])
            .dir(&self.root)
            .quiet()
            .output()?;
        if !list.ok {
            return Err(format!("`git ls-files` failed; run this in a git checkout:\n{}", list.stderr).into());
        }
        let mut files: Vec<PathBuf> = list.stdout.lines().map(PathBuf::from).collect();
        // A file can be tracked and deleted at the same time.
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file; `None` if it is not UTF-8.
    pub(crate) fn read(&self, file: &Path) -> Result<Option<String>> {
        let bytes = fs::read(self.root.join(file)).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(String::from_utf8(bytes).ok())
    }
}

impl Package {
    fn parse(package: &Value, member: bool) -> Self {
        let manifest = Path::new(text(&package["manifest_path"]));
        Self {
            name: text(&package["name"]).to_owned(),
            version: text(&package["version"]).to_owned(),
            dir: manifest.parent().unwrap_or(manifest).to_owned(),
            member,
            license: package["license"].as_str().map(str::to_owned),
            features: package["features"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, implied)| (name.clone(), array(implied).map(|x| text(x).to_owned()).collect()))
                .collect(),
            dependencies: array(&package["dependencies"]).map(Dependency::parse).collect(),
            targets: array(&package["targets"]).map(Target::parse).collect(),
        }
    }

    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(Target::is_library)
    }
}

impl Dependency {
    fn parse(dependency: &Value) -> Self {
        Self {
            name: text(&dependency["name"]).to_owned(),
            kind: match dependency["kind"].as_str() {
                Some("dev") => DependencyKind::Dev,
                Some("build") => DependencyKind::Build,
                _ => DependencyKind::Normal,
            },
            optional: dependency["optional"].as_bool().unwrap_or(false),
        }
    }
}

impl Target {
    fn parse(target: &Value) -> Self {
        Self {
            name: text(&target["name"]).to_owned(),
            kind: array(&target["kind"]).next().map_or("", text).to_owned(),
            source: text(&target["src_path"]).into(),
        }
    }

    pub(crate) fn is_library(&self) -> bool {
        matches!(self.kind.as_str(), "lib" | "rlib" | "proc-macro")
    }
}

/// The elements, none if it is no array.
pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The string, empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "workspace_root": "/w", "target_directory": "/w/target", "workspace_members": ["path+file:///w/a#0.1.0"],
        "packages": [
            {"id": "registry#z@1.0.0", "name": "z", "version": "1.0.0", "manifest_path": "/r/z/Cargo.toml",
             "license": "MIT", "features": {}, "dependencies": [], "targets": []},
            {"id": "path+file:///w/a#0.1.0", "name": "a", "version": "0.1.0", "manifest_path": "/w/a/Cargo.toml",
             "license": null, "features": {"std": ["alloc"], "alloc": []},
             "dependencies": [{"name": "z", "kind": null, "optional": true}, {"name": "t", "kind": "dev"}],
             "targets": [{"name": "a", "kind": ["lib"], "src_path": "/w/a/src/lib.rs"}]}
        ]}"#;

    #[test]
    fn members_come_first_and_are_told_from_dependencies() {
        let workspace = Workspace::parse(&serde_json::from_str(METADATA).unwrap()).unwrap();
        let names: Vec<(&str, bool)> = workspace.packages.iter().map(|p| (&*p.name, p.member)).collect();
        assert_eq!(names, [("a", true), ("z", false)]);
        let a = &workspace.packages[0];
        assert!(a.has_library() && a.dependencies[0].optional);
        assert_eq!(a.dependencies[1].kind, DependencyKind::Dev);
        assert_eq!(a.features["std"], ["alloc"]);
    }
}
