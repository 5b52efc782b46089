# shellcheck shell=bash
# Which processes are this cluster's, and how they end. Nothing here trusts a process id alone.

# Of the ids on standard input, those whose environment or command line names our directory.
# A daemon is started with SLURM_CONF in its environment, and Slurm hands that to what it runs.
only_ours() {
  local pid
  while read -r pid; do
    if grep -qsF -- "$DIR/" "/proc/$pid/environ" "/proc/$pid/cmdline"; then echo "$pid"; fi
  done
}

name_of() { cat "/proc/$1/comm" 2>/dev/null || true; }

# The id of a daemon, if it lives. Its id is in a file; that the id is still its, we check.
daemon_pid() { # daemon: munged, mariadbd, slurmdbd, slurmctld, n1, n2 ...
  local pid name=$1
  [[ $name == n[0-9]* ]] && name=slurmd
  pid=$(cat "$DIR/pid/$1" 2>/dev/null) || return 0
  [ "$(name_of "$pid")" = "$name" ] && only_ours <<<"$pid"
  return 0
}

is_alive() { [ -n "$(daemon_pid "$1")" ]; }

started_daemons() {
  local file
  for file in "$DIR"/pid/*; do
    [ -e "$file" ] && basename "$file"
  done
  return 0
}

# slurmstepd overwrites its command line and environment; what it keeps is the node's log, open.
steps_of() { # node, or * for any
  local pid
  find /proc/[0-9]*/fd -maxdepth 1 -lname "$DIR/log/$1.log" 2>/dev/null | while IFS=/ read -r _ _ pid _; do
    if [ "$(name_of "$pid")" = slurmstepd ]; then echo "$pid"; fi
  done || true # find complains of processes that ended meanwhile
}

# What runs in a job has these two in its environment, even when it has left its parents.
jobs_of() { # node, or * for any
  local file node=$1
  [ "$node" = '*' ] && node='n[0-9]+' # as a pattern
  grep -lsxzF -- "SLURM_CONF=$CONF" /proc/[0-9]*/environ | while read -r file; do
    if grep -qsxzE -- "SLURMD_NODENAME=$node" "$file"; then
      file=${file#/proc/}
      echo "${file%/environ}"
    fi
  done || true # grep fails where there is none
}

# A job may have cleaned its environment (a container does): then its parents tell.
with_children() {
  local ids
  ids=$(tr '\n' ' ')
  cat /proc/[0-9]*/status 2>/dev/null | awk -v ids="$ids" '
    BEGIN         { split(ids, list, " "); for (i in list) ours[list[i]] }
    $1 == "Pid:"  { pid = $2 }
    $1 == "PPid:" { parent[pid] = $2 }
    END {
      do {
        more = 0
        for (pid in parent) if (!(pid in ours) && (parent[pid] in ours)) { ours[pid]; more = 1 }
      } while (more)
      for (pid in ours) print pid
    }' || true # cat fails for processes that ended meanwhile
}

ran_by() { # node, or * for any
  { steps_of "$1"; jobs_of "$1"; } | with_children
}

our_processes() {
  local daemon
  {
    for daemon in $(started_daemons); do daemon_pid "$daemon"; done
    ran_by '*'
  } | sort -u
}

signal() { # signal, then ids on standard input
  local pid
  while read -r pid; do
    if ((pid != $$)); then kill "-$1" "$pid" 2>/dev/null || true; fi
  done
}

# A job may be starting a process while we count: count again until there is none.
kill_all() { # a command that prints ids
  local _
  for _ in {1..50}; do
    [ -n "$("$@")" ] || return 0
    "$@" | signal KILL
    sleep 0.1
  done
  die 1 "still alive after SIGKILL: $("$@" | tr '\n' ' ')"
}

end_daemon() { # daemon
  local _
  daemon_pid "$1" | signal TERM
  for _ in {1..100}; do
    is_alive "$1" || break
    sleep 0.1
  done
  kill_all daemon_pid "$1"
  rm -f -- "$DIR/pid/$1"
}

end_processes() {
  # Nodes first and at once: nothing is to be saved, and a live slurmd would start more.
  local daemon
  for daemon in $(started_daemons); do
    [[ $daemon == n[0-9]* ]] && daemon_pid "$daemon" | signal KILL
  done
  kill_all ran_by '*'
  for daemon in slurmctld slurmdbd mariadbd munged; do end_daemon "$daemon"; done
  kill_all our_processes
}

node_processes() { # node
  daemon_pid "$1"
  ran_by "$1"
}

kill_nodes() { # node...
  local node
  for node; do
    # A dying node tells nobody. Stopped first, its Slurm cannot report the deaths of its jobs.
    { daemon_pid "$node"; steps_of "$node"; } | signal STOP
    ran_by "$node" | signal STOP
    kill_all node_processes "$node"
    rm -f -- "$DIR/pid/$node"
  done
}
