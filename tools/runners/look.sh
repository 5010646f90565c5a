# look.sh BASE STEP SEAL  - what became of the newest attempt: "none", "waiting", "running", "lost" or "done CODE SECONDS".
# With SEAL=1 an attempt that has not begun is sealed, so that "none" stays true whatever arrives late.
# First line: STATE ATTEMPT CODE SECONDS KEPT and the byte lengths of the four kept pieces of output, which follow.
umask 077
case $1 in /*) step=$1/steps/$2 ;; *) step=$HOME/$1/steps/$2 ;; esac
n=1
while [ -e "$step/$((n + 1))" ] || [ "$(cat "$step/$n/fate" 2>/dev/null)" = sealed ]; do n=$((n + 1)); done
try=$step/$n
if [ ! -e "$try/fate" ] && [ "$3" = 1 ]; then
    mkdir -p "$try" && printf sealed >"$try/seal.$$" && ln "$try/seal.$$" "$try/fate" 2>/dev/null && n=$((n + 1)) && try=$step/$n
fi
if [ ! -e "$try" ]; then
    echo "none $n - - - 0 0 0 0"
    exit 0
fi
if [ ! -e "$try/fate" ]; then
    echo "waiting $n - - - 0 0 0 0"
    exit 0
fi
read -r pid born <"$try/fate" || :
now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1,20)
alive=0
kill -0 "$pid" 2>/dev/null && [ "${now#* }" = "$born" ] && [ "${now%% *}" != Z ] && alive=1
size() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }
if [ -f "$try/code" ]; then
    read -r code took <"$try/code" || :
    echo "done $n $code $took $(cat "$try/keep") $(size "$try/out.head") $(size "$try/out.tail") $(size "$try/err.head") $(size "$try/err.tail")"
    cat "$try/out.head" "$try/out.tail" "$try/err.head" "$try/err.tail"
elif [ $alive = 1 ]; then
    echo "running $n - - - 0 0 0 0"
else
    echo "lost $n - - - 0 0 0 0"
fi
