# the user's choice is kept, and named where it is older than the processor
level=$(dscompress doctor | sed -n 's/^level  *//p')
[ "$level" != ref ] || { echo "a processor without AVX2"; exit 77; }
OPENBLAS_CORETYPE=Prescott dscompress doctor
