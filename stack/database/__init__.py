"""The shop's database as its administrator sees it: binaries, roles, migrations, seed, snapshots. Runs as short-lived commands."""
