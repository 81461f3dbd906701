// @ts-check
/** Microphones and speakers by name; names are empty before permission. */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  /** @param {string} kind */
  const named = (kind) => all.filter((device) => device.kind === kind && device.label)
    .map((device) => ({ id: device.deviceId, label: device.label }));
  return { microphones: named("audioinput"), speakers: named("audiooutput") };
}
