# Read by interactive shells and, through BASH_ENV, by every `bash -c` as well: so it prints nothing,
# starts no process, and does not return early (installers append their PATH lines at the end).

case ":$PATH:" in
  *":$HOME/.local/bin:"*) ;;
  *) PATH="$HOME/.local/bin:$PATH" ;;
esac

if [[ $- == *i* ]]; then
  HISTCONTROL=ignoreboth
  HISTSIZE=1000
  HISTFILESIZE=2000
  shopt -s histappend checkwinsize
  case $TERM in
    *color* | xterm* | screen* | tmux* | vt220) PS1='\[\e[32m\]\u@\h\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]\$ ' ;;
    *) PS1='\u@\h:\w\$ ' ;;
  esac
  alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -alF'
fi
