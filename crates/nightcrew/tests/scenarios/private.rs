//! Programs that see folders of the stage where others see the machine's.
//!
//! Some programs have their folders in fixed places (`/etc/letsencrypt`, `/etc/logrotate.d`), and
//! the gate lets nobody name others.  They run in a mount namespace of their own, so that nothing
//! of this machine is read or changed, and nothing is left behind.

use crate::stage::Stage;

/// Puts folders into their places, then becomes the program.
const SCRIPT: &str = "\
set -e
while [ \"$1\" != -- ]; do
  mkdir -p \"$2\"
  mount --bind \"$1\" \"$2\"
  shift 2
done
shift
exec \"$@\"
";

/// The words before a program that let it see folders of the stage in these places.
pub(crate) fn within(stage: &Stage, folders: &[(&str, &str)]) -> Vec<String> {
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    for (own, place) in folders {
        std::fs::create_dir_all(stage.path(own)).unwrap();
        words.extend([stage.text(own), (*place).to_owned()]);
    }
    words.push("--".to_owned());
    words
}
