// What an HTTP status says of a request.
export function outcome(status) {
  if (status === 200) {
    return 'answered';
  }
  return status === 429 ? 'refused' : 'failed';
}
