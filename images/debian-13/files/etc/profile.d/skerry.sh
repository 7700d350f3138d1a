# Defaults of the image for login shells; what is already set wins.
while IFS='=' read -r skerry_key skerry_value; do
  case $skerry_key in '' | '#'*) continue ;; esac
  eval "[ -n \"\${$skerry_key+set}\" ] || export $skerry_key=\"\$skerry_value\""
done </etc/skerry/environment
unset skerry_key skerry_value
