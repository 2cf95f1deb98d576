namespace Accelerated.Agent.Etcd;

/// <summary>A step of a transaction. Made by the static methods.</summary>
public abstract record EtcdOperation
{
    private EtcdOperation(string key) => Key = key;

    /// <summary>The key the step concerns.</summary>
    public string Key { get; }

    /// <summary>Writes a key.</summary>
    /// <param name="key">The key; etcd refuses a transaction that puts one key twice.</param>
    /// <param name="value">The value, stored as UTF-8.</param>
    /// <param name="etcdLease">Id of the etcd lease to hang the key on; 0 takes it off any.</param>
    public static EtcdOperation Put(string key, string value, long etcdLease = 0) => new PutKey(key, value, etcdLease);

    /// <summary>Removes a key; an absent one is no error.</summary>
    /// <param name="key">The key.</param>
    public static EtcdOperation Delete(string key) => new DeleteKey(key);

    /// <summary>Reads a key; it appears in <see cref="EtcdTransactionResult.Entries"/> if it exists.</summary>
    /// <param name="key">The key.</param>
    public static EtcdOperation Get(string key) => new GetKey(key);

    internal sealed record PutKey(string Key, string Value, long EtcdLease) : EtcdOperation(Key);

    internal sealed record DeleteKey(string Key) : EtcdOperation(Key);

    internal sealed record GetKey(string Key) : EtcdOperation(Key);
}
