namespace Accelerated.Agent.Etcd;

/// <summary>etcd began an answer that is longer than this client reads.</summary>
internal sealed class MessageTooLongException(uint length, int limit)
    : IOException($"it sent a message of {length} bytes, more than the {limit} allowed");
