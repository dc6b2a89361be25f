# Links each model's traffic.toml to the ConfigMap's. A link that is right stays, and another is replaced in one step,
# as servers of older pods read it meanwhile.
for model in "$@"; do
  target=$TRAFFIC/$model.toml
  link=$MODELS/$model/traffic.toml
  aside=$MODELS/$model/.traffic.toml.$(hostname)
  mkdir -p "$MODELS/$model"
  if [ "$(readlink "$link" || true)" != "$target" ]; then
    ln -sfn "$target" "$aside"
    mv -fT "$aside" "$link"
    echo "$link -> $target"
  fi
done
