//! Plays a story under the laws.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::laws::{Broken, Watch};
use super::story::Story;

/// More steps than any story takes: beyond it, something goes round in circles.
const MOST_STEPS: u64 = 3_000_000;

/// What a story came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// How many steps.
    pub steps: u64,
    /// How many servers it began with.
    pub servers: usize,
}

/// Plays it to the end. The error is the first law that does not hold.
pub fn prove(story: &Story) -> Result<Played, Broken> {
    let unsettled = |how: &str| Broken { law: "settles", at: story.end, how: how.to_owned() };
    let mut world = story.world().ok_or_else(|| unsettled("its configuration is not valid"))?;
    let mut watch = Watch::over(&world)?;
    let mut steps = 0;
    while world.advance() {
        watch.look(&world)?;
        steps += 1;
        if steps > MOST_STEPS {
            return Err(unsettled("it never comes to rest"));
        }
    }
    watch.end(&world)?;
    Ok(Played { steps, servers: story.file.servers.len() })
}

/// Everything that the story's world orders and says, as one number.
pub fn fingerprint(story: &Story) -> Option<u64> {
    let mut world = story.world()?;
    let mut hasher = DefaultHasher::new();
    while world.advance() {
        world.step().effects.iter().for_each(|effect| format!("{effect:?}").hash(&mut hasher));
    }
    Some(hasher.finish())
}
