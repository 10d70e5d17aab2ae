//! The process is killed, and its files are damaged.

use crate::program::Stage;
use crate::stage::{Harbour, INSTANCE, publish, table};
use longshore::core::ports::{Ingress as _, Takeover};
use longshore::core::route::Table;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chown};
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// A table that tells its generation in every route, of a size that changes from one to the next.
fn telling(generation: i64) -> Table {
    let number = u16::try_from(generation).unwrap();
    let address = SocketAddrV4::new([127, 0, 0, 9].into(), number);
    let size = 1 + usize::from(number) * 7 % 300;
    let domains: Vec<String> = (0..size).map(|n| format!("app{n}.example.com")).collect();
    let routes: Vec<_> = domains
        .iter()
        .map(|domain| (domain.as_str(), address))
        .collect();
    table(generation, &routes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_many_tables_leaves_a_whole_one_that_is_no_older_than_acknowledged()
{
    const KILLS: u64 = 25;
    let harbour = Harbour::set(false);
    let client = harbour.client();
    let (mut acknowledged, mut found_newer) = (0, 0);
    for kill in 0..KILLS {
        let mut ingress = harbour.begin();
        let held = client.table().await.unwrap();
        let generation = held.as_ref().map_or(0, |table| table.generation);
        assert!(generation >= acknowledged, "{generation} < {acknowledged}");
        assert!(
            held.is_none_or(|table| table == telling(generation)),
            "{generation}"
        );
        found_newer += u64::from(generation > acknowledged);
        acknowledged = generation;
        // The kill comes after a number of tables, at another place of the next one each time.
        let before = generation;
        let wanted = 2 + i64::try_from(kill % 5).unwrap();
        while acknowledged < before + wanted {
            publish(&client, &telling(acknowledged + 1)).await;
            acknowledged += 1;
        }
        let next = telling(acknowledged + 1);
        let killed = async {
            tokio::time::sleep(std::time::Duration::from_micros(kill * 150)).await;
            ingress.signal(Signal::SIGKILL);
        };
        let (last, ()) = tokio::join!(client.publish(&next, Takeover::No), killed);
        if last.is_ok() {
            acknowledged += 1;
        }
        ingress.ends();
    }
    println!(
        "{KILLS} kills, the last of {acknowledged} tables; {found_newer} times the one under way was kept, too"
    );
}

#[tokio::test]
async fn what_is_damaged_or_of_a_later_version_is_told_and_set_aside_and_the_ingress_starts_without_routes()
 {
    let harbour = Harbour::set(false);
    let client = harbour.client();
    let path = harbour.kept().join("table.json");
    let mut ingress = harbour.begin();
    publish(&client, &telling(3)).await;
    ingress.signal(Signal::SIGKILL);
    ingress.ends();
    let whole = std::fs::read_to_string(&path).unwrap();
    let later = whole.replace("\"format\":1", "\"format\":9");
    for (number, (text, why)) in [
        (&whole[..100], "is damaged"),
        (later.as_str(), "has format 9"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&path, text).unwrap();
        let mut ingress = harbour.begin();
        assert_eq!(client.held(INSTANCE).await, Ok(None));
        let told = ingress.told();
        assert!(
            told.contains(why) && told.contains(path.to_str().unwrap()),
            "{told}"
        );
        let aside = format!("{}.unusable-{}", path.display(), number + 1);
        assert_eq!(std::fs::read_to_string(aside).unwrap(), text);
        ingress.signal(Signal::SIGTERM);
        assert!(ingress.ends().success());
    }
    let _ingress = harbour.begin();
    publish(&client, &telling(1)).await;
}

#[test]
fn two_cannot_share_a_data_directory_and_faults_are_told_as_serve_tells_them() {
    let harbour = Harbour::set(false);
    let first = harbour.begin();
    let other = Harbour::set(false);
    let with = |directory: &Path| {
        let text = std::fs::read_to_string(other.stage.path("config.toml")).unwrap();
        let text = text.replace(other.kept().to_str().unwrap(), directory.to_str().unwrap());
        std::fs::write(other.stage.path("config.toml"), text).unwrap();
    };
    with(&harbour.kept());
    let fails = |stage: &Stage| {
        let mut ingress = stage.run(stage.ingress());
        assert_eq!(ingress.ends().code(), Some(1));
        ingress.told()
    };
    let told = fails(&other.stage);
    assert!(told.contains("is in use by another ingress"), "{told}");

    other.configure(false, "max_connections = -1\nlisen = []\n");
    let told = fails(&other.stage);
    for fault in ["max_connections", "lisen is not a known key"] {
        assert!(told.contains(fault), "{told}");
    }
    std::fs::remove_file(other.stage.path("config.toml")).unwrap();
    let told = fails(&other.stage);
    assert!(told.contains("cannot read the configuration"), "{told}");
    drop(first);
}

/// The user nobody.
const NOBODY: u32 = 65534;

#[tokio::test]
async fn its_user_needs_to_read_the_configuration_and_nothing_that_it_names() {
    let harbour = Harbour::set(false);
    let secret = harbour.stage.path("secret");
    let path = harbour.stage.path("config.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += &format!(
        "[[app]]\nname = \"web\"\nimage = \"web:1\"\nsecrets = {{ KEY = \"file:{}\" }}\n",
        secret.display()
    );
    std::fs::write(&path, text).unwrap();
    // The daemon's, which is closed to everybody else.
    std::fs::write(&secret, "secret").unwrap();
    let data = harbour.stage.path("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("longshore.db"), "not looked at").unwrap();
    for closed in [&secret, &data] {
        let mode = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(closed, mode).unwrap();
    }
    // The program, too, lies where anybody may go.
    let program = harbour.stage.path("longshore");
    std::fs::copy(env!("CARGO_BIN_EXE_longshore"), &program).unwrap();
    let mut ingress = crate::program::command(&program);
    ingress.args(["ingress", "--config"]).arg(&path);
    std::fs::create_dir(harbour.kept()).unwrap();
    if Uid::effective().is_root() {
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(path.parent().unwrap(), open).unwrap();
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        chown(&harbour.kept(), Some(user), Some(group)).unwrap();
        ingress.uid(NOBODY).gid(NOBODY);
    }
    let mut ingress = harbour.stage.run(ingress);
    ingress.tells("ready: the ingress is at");
    let client = harbour.client();
    publish(&client, &telling(1)).await;
    assert_eq!(client.held(INSTANCE).await, Ok(Some(1)));
    ingress.signal(Signal::SIGTERM);
    assert!(ingress.ends().success());
    let open = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&data, open).unwrap();
}
