using System.CommandLine;
using Accelerated.Lab.Front;

// Taking a lab down after Ctrl-C takes longer than the two seconds the library would grant.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };
return await LabCommandLine.Build(new Screen(Console.Out)).Parse(args).InvokeAsync(configuration);
