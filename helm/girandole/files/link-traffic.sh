# Links each model's traffic.toml to the ConfigMap's. A link that is right stays, and another is replaced in one step,
# as servers of older pods read it meanwhile.
for model in "$@"; do
  target=/etc/girandole/traffic/$model.toml
  link=/models/$model/traffic.toml
  mkdir -p "/models/$model"
  if [ "$(readlink "$link" || true)" != "$target" ]; then
    ln -s "$target" "/models/$model/.traffic.toml.$$"
    mv -fT "/models/$model/.traffic.toml.$$" "$link"
    echo "$link -> $target"
  fi
done
