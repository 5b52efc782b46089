# shellcheck shell=bash disable=SC2154,SC2034 # `here` is set, STARTING read in the file `cluster`
# Writes the configuration and starts the daemons, each known to answer before the next needs it.

slurm() { SLURM_CONF=$CONF "$@"; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A run of free ports, below those that the kernel gives to clients. Random, so that clusters that
# start at the same moment rarely choose the same; one that loses says so and can be started again.
free_ports() { # how many: prints the first
  local first port tries
  for tries in {1..50}; do
    first=$((15000 + RANDOM % 15000))
    for ((port = first; port < first + $1; port++)); do
      port_is_free "$port" || continue 2
    done
    echo "$first"
    return
  done
  die 1 "no $1 free ports in a row after $tries tries"
}

write_configuration() {
  local first file host text word track_wckey=no
  host=$(uname -n)
  mkdir -- "$DIR"/{log,pid,run,spool,tmp}
  mkdir -m 700 -- "$DIR/state"
  first=$(free_ports $((CLUSTER_NODES + 2)))
  [[ ,$CLUSTER_ENFORCE, == *,wckeys,* ]] && track_wckey=yes
  local -A words=(
    [DIR]=$DIR [USER]=$(id -un) [HOSTNAME]=${host%%.*} [NODES]=$CLUSTER_NODES
    [CONTROLLER_PORT]=$first [DATABASE_PORT]=$((first + 1))
    [NODE_PORTS]="[$((first + 2))-$((first + 1 + CLUSTER_NODES))]"
    [MAX_ARRAY]=$CLUSTER_MAX_ARRAY [MIN_JOB_AGE]=$CLUSTER_MIN_JOB_AGE
    [REQUEUE_WAIT]=$CLUSTER_REQUEUE_WAIT [ENFORCE]=$CLUSTER_ENFORCE [TRACK_WCKEY]=$track_wckey
  )
  for file in slurm.conf gres.conf accounting.conf slurmdbd.conf mariadb.cnf; do
    text=$(<"$here/$file.in")
    for word in "${!words[@]}"; do text=${text//"@$word@"/"${words[$word]}"}; done
    (umask 077 && printf '%s\n' "$text" >"$DIR/$file") # slurmdbd refuses a readable slurmdbd.conf
  done
  if ((ACCOUNTING)); then
    cat "$DIR/accounting.conf" >>"$CONF"
  fi
  chmod 644 "$CONF" "$DIR/gres.conf"
  (umask 077 && head -c 1024 /dev/urandom >"$DIR/munge.key")
}

# In the foreground of its own session: its id is known at once, Ctrl-C and a closed terminal pass
# it by, and it gets none of the caller's environment, which may be another cluster's.
start() { # daemon, command...
  STARTING=$1
  env -i PATH="$PATH" HOME="${HOME:-/}" LANG=C SLURM_CONF="$CONF" \
    MYSQL_UNIX_PORT="$DIR/run/mariadb.socket" \
    setsid "${@:2}" </dev/null >"$DIR/log/$1.out" 2>&1 &
  echo $! >"$DIR/pid/$1"
}

wait_until() { # seconds, daemon that must stay alive, command...
  local deadline=$((SECONDS + $1))
  STARTING=$2
  until ("${@:3}") >/dev/null 2>&1; do
    kill -0 "$(<"$DIR/pid/$2")" 2>/dev/null || die 1 "$2 ended at once"
    ((SECONDS < deadline)) || die 1 "$2 does not answer after $1 s"
    sleep 0.1
  done
}

start_munge() {
  # --force: a directory that others of one's group may write is good enough for a test.
  start munged munged --foreground --force --key-file="$DIR/munge.key" --seed-file="$DIR/run/munge.seed" \
    --socket="$DIR/run/munge.socket" --log-file="$DIR/log/munged.log" --pid-file="$DIR/run/munged.pid"
  wait_until 10 munged munge --no-input --socket="$DIR/run/munge.socket"
}

start_database() {
  STARTING=mariadbd
  mariadb-install-db --defaults-file="$DIR/mariadb.cnf" --skip-test-db --skip-name-resolve \
    --auth-root-authentication-method=socket \
    --auth-root-socket-user="$(id -un)" >"$DIR/log/mariadbd.out" 2>&1
  start mariadbd mariadbd --defaults-file="$DIR/mariadb.cnf"
  wait_until 30 mariadbd test -S "$DIR/run/mariadb.socket"
}

start_accounting() {
  start slurmdbd slurmdbd -D
  wait_until 30 slurmdbd slurm sacctmgr -n show cluster
  {
    slurm sacctmgr -iQ add cluster lab2test
    slurm sacctmgr -iQ add account lab2 cluster=lab2test
    slurm sacctmgr -iQ add user "$(id -un)" account=lab2 defaultaccount=lab2
  } >>"$DIR/log/slurmdbd.out" 2>&1
}

start_controller() {
  is_alive slurmctld && return
  start slurmctld slurmctld -D -f "$CONF"
  wait_until 20 slurmctld slurm scontrol ping
}

# -b: a slurmd that starts is a machine that booted, so what ran on it is known to be lost.
start_nodes() { # node...
  local node
  for node; do
    is_alive "$node" || start "$node" slurmd -D -b -f "$CONF" -N "$node"
  done
}

# The controller's word alone will not do: it misses a node that died a moment ago.
node_is_up() { # node
  grep -qs 'slurmd started on' "$DIR/log/$1.out" &&
    [[ $(slurm sinfo -h -n "$1" -o %T) =~ ^(idle|mixed|allocated|completing)$ ]]
}

wait_for_nodes() { # node...
  local node
  for node; do wait_until 30 "$node" node_is_up "$node"; done
}

start_all() {
  local nodes
  mapfile -t nodes < <(seq -f 'n%g' "$CLUSTER_NODES")
  mkdir -- "${nodes[@]/#/$DIR/spool/}"
  start_munge
  if ((ACCOUNTING)); then
    start_database
    start_accounting
  fi
  start_controller
  start_nodes "${nodes[@]}"
  wait_for_nodes "${nodes[@]}"
}
