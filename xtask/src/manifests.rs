//! The manifests: every version stands in the root manifest, and only there.

/// The tables of a manifest that name dependencies.
const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Dependencies of a crate's manifest that do not take their version from the workspace.
fn own_versions(manifest: &toml::Table) -> Vec<String> {
    let targets = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten();
    let places = targets
        .filter_map(|(_, target)| target.as_table())
        .chain([manifest]);
    let dependencies = places
        .flat_map(|place| {
            DEPENDENCY_TABLES
                .iter()
                .filter_map(|name| place.get(*name)?.as_table())
        })
        .flatten();
    dependencies
        .filter(|(_, dependency)| {
            dependency.get("workspace").and_then(toml::Value::as_bool) != Some(true)
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Dependencies of the workspace that nothing in it takes.
fn untaken<'a>(workspace: &'a toml::Table, members: &[toml::Table]) -> Vec<&'a str> {
    let is_named = |manifest: &toml::Table, name: &str| {
        let targets = manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten();
        let mut places = targets
            .filter_map(|(_, target)| target.as_table())
            .chain([manifest]);
        places.any(|place| {
            DEPENDENCY_TABLES.iter().any(|table| {
                place
                    .get(*table)
                    .is_some_and(|table| table.get(name).is_some())
            })
        })
    };
    workspace
        .keys()
        .map(String::as_str)
        .filter(|name| !members.iter().any(|member| is_named(member, name)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::project_root;
    use crate::tree::project_files;

    fn manifest(file: &str) -> toml::Table {
        toml::from_str(&std::fs::read_to_string(project_root().join(file)).unwrap()).unwrap()
    }

    fn member_manifests() -> Vec<String> {
        project_files()
            .into_iter()
            .filter(|file| file.ends_with("/Cargo.toml"))
            .collect()
    }

    #[test]
    fn versions_stand_in_the_root_manifest_alone() {
        let members = member_manifests();
        assert!(members.len() >= 15, "found {members:?}");
        for file in members {
            assert_eq!(
                own_versions(&manifest(&file)),
                Vec::<String>::new(),
                "in {file}: use `workspace = true`"
            );
        }
    }

    #[test]
    fn every_dependency_of_the_workspace_is_taken_by_a_member() {
        let members: Vec<toml::Table> = member_manifests()
            .iter()
            .map(|file| manifest(file))
            .collect();
        let root = manifest("Cargo.toml");
        let offered = root["workspace"]["dependencies"].as_table().unwrap();
        let own: Vec<&str> = members
            .iter()
            .filter_map(|member| member["package"]["name"].as_str())
            .collect();
        let mut unused = untaken(offered, &members);
        unused.retain(|name| !own.contains(name));
        assert_eq!(unused, Vec::<&str>::new());
    }

    #[test]
    fn a_version_in_a_member_is_found_wherever_it_stands() {
        let manifest = toml::from_str(
            r#"
            [dependencies]
            good.workspace = true
            also_good = { workspace = true, features = ["x"] }
            one = "1"
            [dev-dependencies]
            two = { version = "2" }
            [build-dependencies]
            three = { path = "../three" }
            [target.'cfg(unix)'.dependencies]
            four = "4"
            "#,
        )
        .unwrap();
        let mut found = own_versions(&manifest);
        found.sort();
        assert_eq!(found, ["four", "one", "three", "two"]);
    }
}
