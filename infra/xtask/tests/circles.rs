//! The circles between the modules of each crate, read from `mod` and `use`.
//!
//! A module and its child modules may use each other. A larger circle has no first file to read, so
//! it is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Target, TargetKind};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// Crates that still have a larger circle, and the number of its modules. A number may only shrink.
const STILL: [(&str, usize); 2] = [("simulation", 27), ("local-lambda", 5)];

/// A module as a path from the crate root, such as `["ports", "charges"]`. The root is empty.
type Module = Vec<String>;

/// One file of a crate: what it uses, and what it re-exports.
#[derive(Default)]
struct File {
    /// Paths in `use` declarations and in expressions, from this module on.
    paths: Vec<Vec<String>>,
    /// The path behind each name that a `pub use` gives to other modules.
    exports: BTreeMap<String, Vec<String>>,
}

/// The modules of one crate.
type Crate = BTreeMap<Module, File>;

/// Collects the paths of one file. Modules for tests are left out, and modules in braces belong to
/// their file.
#[derive(Default)]
struct Collector {
    file: File,
    /// Modules with a file of their own.
    children: Vec<String>,
    /// Depth of modules in braces: `super` leaves them first.
    depth: usize,
}

impl Collector {
    fn add(&mut self, mut path: Vec<String>) {
        let ups = path.iter().take_while(|part| *part == "super").count();
        path.drain(..ups.min(self.depth));
        if ups <= self.depth && ups > 0 {
            path.insert(0, "self".to_owned());
        }
        self.file.paths.push(path);
    }

    fn take(&mut self, prefix: &[String], tree: &UseTree, is_export: bool) {
        let with = |name: &str| [prefix, &[name.to_owned()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.take(&with(&path.ident.to_string()), &path.tree, is_export),
            UseTree::Group(group) => return group.items.iter().for_each(|item| self.take(prefix, item, is_export)),
            UseTree::Glob(_) => return self.add(prefix.to_vec()),
            UseTree::Name(name) => (with(&name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(rename) => (with(&rename.ident.to_string()), rename.rename.to_string()),
        };
        if is_export {
            self.file.exports.insert(name, path.clone());
        }
        self.add(path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_none() {
            self.children.push(module.ident.to_string());
            return;
        }
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.take(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(parts);
        }
        visit::visit_path(self, path);
    }
}

/// Reads a module and the modules below it. `folder` has the files of its child modules.
fn read(file: &Path, folder: &Path, module: &Module, modules: &mut Crate) {
    let mut collector = Collector::default();
    collector.visit_file(&syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap());
    for child in collector.children {
        let (flat, nested) = (folder.join(format!("{child}.rs")), folder.join(&child).join("mod.rs"));
        let path = [module.as_slice(), std::slice::from_ref(&child)].concat();
        match [flat, nested].iter().find(|file| file.exists()) {
            Some(file) => read(file, &folder.join(&child), &path, modules),
            None => panic!("{}: the file of `mod {child}` was not found", file.display()),
        }
    }
    modules.insert(module.clone(), collector.file);
}

/// Returns the module that a path leads to, or `None` if it leads out of the crate.
fn destination(path: &[String], from: &Module, modules: &Crate, hops: usize) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let (mut at, rest) = match path.first()?.as_str() {
        "crate" => (Module::new(), &path[1..]),
        "self" => (from.clone(), &path[1..]),
        "super" => (from.get(..from.len().checked_sub(ups)?)?.to_vec(), &path[ups..]),
        first => {
            let child = [from.as_slice(), &[first.to_owned()]].concat();
            (modules.contains_key(&child).then(|| from.clone())?, path)
        }
    };
    let mut rest = rest;
    while let [next, after @ ..] = rest {
        let child = [at.as_slice(), std::slice::from_ref(next)].concat();
        if !modules.contains_key(&child) {
            break;
        }
        (at, rest) = (child, after);
    }
    // A re-exported name belongs to the module behind it.
    let export = rest.first().and_then(|name| modules.get(&at)?.exports.get(name));
    match export {
        Some(path) if at != *from && hops > 0 => destination(path, &at, modules, hops - 1).or(Some(at)),
        _ => Some(at),
    }
}

/// Returns every module that can be reached from one, itself only through a circle.
fn reached<'a>(from: &'a Module, uses: &'a BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in uses.get(module).into_iter().flatten() {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// Returns the circles that are larger than a module and its children.
fn circles(modules: &Crate) -> Vec<BTreeSet<Module>> {
    let destinations = |(module, file): (&Module, &File)| {
        let found = file.paths.iter().filter_map(|path| destination(path, module, modules, 8));
        (module.clone(), found.filter(|found| found != module).collect())
    };
    let uses: BTreeMap<Module, BTreeSet<Module>> = modules.iter().map(destinations).collect();
    let onward: BTreeMap<&Module, BTreeSet<&Module>> =
        modules.keys().map(|module| (module, reached(module, &uses))).collect();
    let circle = |module: &Module| -> BTreeSet<Module> {
        let returns = |other: &&&Module| onward[**other].contains(module);
        onward[module].iter().filter(returns).map(|other| (*other).clone()).collect()
    };
    let is_family = |circle: &BTreeSet<Module>| {
        let parent = circle.iter().min_by_key(|module| module.len()).unwrap();
        circle.iter().all(|module| module == parent || module.split_last().is_some_and(|(_, above)| above == *parent))
    };
    let all: BTreeSet<BTreeSet<Module>> = modules.keys().map(circle).collect();
    all.into_iter().filter(|circle| circle.len() > 1 && !is_family(circle)).collect()
}

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn is_library_or_program(target: &&Target) -> bool {
    target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin))
}

fn modules_of(target: &Target) -> Crate {
    let file = PathBuf::from(&target.src_path);
    let mut modules = Crate::new();
    read(&file, file.parent().unwrap(), &Module::new(), &mut modules);
    modules
}

#[test]
fn a_circle_of_modules_is_a_module_and_its_children() {
    let (mut found, mut seen) = (Vec::new(), 0);
    for package in metadata().packages {
        for target in package.targets.iter().filter(is_library_or_program) {
            let modules = modules_of(target);
            seen += modules.len();
            for circle in circles(&modules) {
                let allowed = STILL.iter().find(|(name, _)| **name == *package.name).map_or(0, |(_, size)| *size);
                if circle.len() > allowed {
                    let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
                    found.push(format!("{}: {} modules in a circle: {}", package.name, names.len(), names.join(", ")));
                }
            }
        }
    }
    assert!(seen > 300, "only {seen} modules were read");
    assert!(found.is_empty(), "move what both sides need to a module of its own:\n{}", found.join("\n"));
}

#[test]
fn a_circle_through_a_re_exported_name_is_found() {
    let file = |paths: &[&str], exports: &[(&str, &str)]| {
        let parts = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        File {
            paths: paths.iter().map(|path| parts(path)).collect(),
            exports: exports.iter().map(|(name, path)| ((*name).to_owned(), parts(path))).collect(),
        }
    };
    let module = |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Module>();
    let one_way = [
        (module(""), file(&["self::b::c::Thing"], &[("Thing", "self::b::c::Thing")])),
        (module("a"), file(&["crate::Thing"], &[])),
        (module("b"), file(&["super::a::Other"], &[])),
        (module("b::c"), file(&[], &[])),
    ];
    assert_eq!(circles(&one_way.into_iter().collect()), Vec::<BTreeSet<Module>>::new());
    let round = [
        (module(""), file(&["self::b::c::Thing"], &[("Thing", "self::b::c::Thing")])),
        (module("a"), file(&["crate::Thing"], &[])),
        (module("b"), file(&["super::a::Other"], &[])),
        (module("b::c"), file(&["super::Helper"], &[])),
    ];
    let found = circles(&round.into_iter().collect());
    assert_eq!(found, [BTreeSet::from([module("a"), module("b"), module("b::c")])]);
}
