# start.sh BASE STEP ATTEMPT DIGEST LIMIT_S KEEP_BYTES SUPERVISE ARGV...  - begin one attempt of a step, at most once.
# Says "begun", "there" (this attempt exists), "sealed" (it may never run), "other" (another command's step),
# "missing" (no such program) or "unsafe" (the private folder is not ours alone).
umask 077
case $1 in /*) base=$1 ;; *) base=$HOME/$1 ;; esac
steps=$base/steps
shift
mkdir -p "$steps" || { echo unsafe; exit 0; }
for place in "$base" "$steps"; do
    [ -d "$place" ] && [ ! -L "$place" ] && [ -O "$place" ] || { echo unsafe; exit 0; }
done
find "$steps" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null
try=$steps/$1/$2
digest=$3 limit=$4 keep=$5 supervise=$6
shift 6
mkdir -p "${try%/*}"
if [ ! -e "$try" ] && ! command -v "$1" >/dev/null; then
    echo missing
elif mkdir "$try" 2>/dev/null; then
    printf %s "$digest" >"$try/call"
    printf %s "$keep" >"$try/keep"
    setsid sh -c "$supervise" firebreak-step "$try" "$limit" "$keep" "$@" </dev/null >/dev/null 2>&1 &
    echo begun
elif [ "$(cat "$try/fate" 2>/dev/null)" = sealed ]; then
    echo sealed
elif [ "$(cat "$try/call" 2>/dev/null)" = "$digest" ]; then
    echo there
else
    echo other
fi
