/** The longest content of one message, and the longest EDU that carries messages to another server, in bytes of JSON. */
export const TO_DEVICE_BYTES_MAX = 65_536
/** "Unique ID for the message, … of maximum length 32 codepoints"; other servers may be a little off. */
export const MESSAGE_ID_BYTES_MAX = 255
export const TO_DEVICE_TYPE_BYTES_MAX = 255
