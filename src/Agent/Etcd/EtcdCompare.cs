namespace Accelerated.Agent.Etcd;

/// <summary>A condition of a transaction. Made by the static methods.</summary>
public abstract record EtcdCompare
{
    private EtcdCompare(string key) => Key = key;

    /// <summary>The key the condition looks at.</summary>
    public string Key { get; }

    /// <summary>True when the key's last change was at this revision. An absent key has 0.</summary>
    /// <param name="key">The key.</param>
    /// <param name="equals">The revision, as in <see cref="EtcdEntry.ModRevision"/>.</param>
    public static EtcdCompare ModRevision(string key, long equals) => new ModRevisionIs(key, equals);

    /// <summary>True when the key has been put this many times since it came into being. 0: the key is absent.</summary>
    /// <param name="key">The key.</param>
    /// <param name="equals">The version, as in <see cref="EtcdEntry.Version"/>.</param>
    public static EtcdCompare Version(string key, long equals) => new VersionIs(key, equals);

    /// <summary>True when the key exists and its value is this one, byte for byte in UTF-8.</summary>
    /// <param name="key">The key.</param>
    /// <param name="equals">The value.</param>
    public static EtcdCompare Value(string key, string equals) => new ValueIs(key, equals);

    internal sealed record ModRevisionIs(string Key, long Revision) : EtcdCompare(Key);

    internal sealed record VersionIs(string Key, long Number) : EtcdCompare(Key);

    internal sealed record ValueIs(string Key, string Text) : EtcdCompare(Key);
}
