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

/// Features by which a crate trusts a server of this machine. Nothing that is deployed takes one.
const FEATURES_OF_TESTS: [&str; 2] = ["local", "testing"];

/// Dependencies that a manifest takes with a feature of tests, for more than its own tests; and such features that it
/// turns on by one of another name.
fn features_of_tests(manifest: &toml::Table) -> Vec<String> {
    let is_of_tests = |feature: &&str| {
        let name = feature.rsplit_once('/').map_or(*feature, |(_, name)| name);
        FEATURES_OF_TESTS.contains(&name)
    };
    let names = |list: Option<&toml::Value>| -> Vec<String> {
        let list = list.and_then(toml::Value::as_array).into_iter().flatten();
        let found = list.filter_map(toml::Value::as_str).filter(is_of_tests);
        found.map(str::to_owned).collect()
    };
    let table = |name: &str| manifest.get(name).and_then(toml::Value::as_table);
    let taken = ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(table)
        .flatten()
        .flat_map(|(name, dependency)| {
            let found = names(dependency.get("features"));
            found
                .into_iter()
                .map(move |feature| format!("{name}/{feature}"))
        });
    let turned_on = table("features")
        .into_iter()
        .flatten()
        .filter(|(name, _)| !FEATURES_OF_TESTS.contains(&name.as_str()))
        .flat_map(|(_, list)| names(Some(list)));
    taken.chain(turned_on).collect()
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
    fn nothing_that_is_deployed_takes_a_feature_of_tests() {
        let is_deployed = |file: &String| {
            ["functions/", "shared/", "customer/"]
                .iter()
                .any(|start| file.starts_with(start))
        };
        for file in member_manifests().into_iter().filter(is_deployed) {
            let found = features_of_tests(&manifest(&file));
            assert_eq!(found, Vec::<String>::new(), "in {file}");
        }
    }

    #[test]
    fn sam_builds_each_function_where_no_other_programs_features_get_in() {
        let template = std::fs::read_to_string(project_root().join("template.yaml")).unwrap();
        let mut built: Vec<String> = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("CodeUri: "))
            .map(|directory| format!("{directory}/Cargo.toml"))
            .collect();
        built.sort();
        let mut functions = member_manifests();
        functions.retain(|file| file.starts_with("functions/"));
        assert_eq!(built, functions);
    }

    #[test]
    fn a_feature_of_tests_is_found_wherever_it_is_taken() {
        let manifest = toml::from_str(
            r#"
            [features]
            default = ["auth/testing"]
            testing = ["oidc/testing"]
            [dependencies]
            good = { workspace = true, features = ["serde"] }
            oidc = { workspace = true, features = ["local"] }
            [dev-dependencies]
            oidc = { workspace = true, features = ["testing"] }
            "#,
        )
        .unwrap();
        assert_eq!(features_of_tests(&manifest), ["oidc/local", "auth/testing"]);
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
